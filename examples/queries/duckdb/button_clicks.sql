-- Where the buttons of flows led, since a day. The condition on date lets DuckDB skip the files of other days.
SELECT
  interaction_destination AS destination,
  count(*) AS clicks,
  count(DISTINCT user_id) AS users
FROM read_parquet('{lake}/events/**/*.parquet', hive_partitioning = true, union_by_name = true)
WHERE event_type = 'web_flow_button_clicked' AND date >= DATE '2025-11-01'
GROUP BY destination
ORDER BY clicks DESC, destination;
