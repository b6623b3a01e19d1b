-- How many events of each type there are, of how many users, and on which days.
SELECT
  event_type,
  count() AS events,
  uniqExact(user_id) AS users,
  min(date) AS first_day,
  max(date) AS last_day
FROM file('{lake}/events/**/*.parquet', 'Parquet')
GROUP BY event_type
ORDER BY event_type;
