-- How many events of each type there are, of how many users, and on which days.
SELECT
  event_type,
  count(*) AS events,
  count(DISTINCT user_id) AS users,
  min(date) AS first_day,
  max(date) AS last_day
FROM read_parquet('{lake}/events/**/*.parquet', hive_partitioning = true, union_by_name = true)
GROUP BY event_type
ORDER BY event_type;
