-- Of each flow: how often it was started, completed and skipped, by how many users, and the completion rate in percent.
-- The rate is null when nothing was started.
SELECT
  experience_name AS flow,
  count(*) FILTER (WHERE event_type = 'web_flow_started') AS started,
  count(*) FILTER (WHERE event_type = 'web_flow_completed') AS completed,
  count(*) FILTER (WHERE event_type = 'web_flow_skipped') AS skipped,
  count(DISTINCT user_id) AS users,
  round(100 * completed / nullif(started, 0), 1) AS completion_rate
FROM read_parquet('{lake}/events/**/*.parquet', hive_partitioning = true, union_by_name = true)
WHERE event_type IN ('web_flow_started', 'web_flow_completed', 'web_flow_skipped')
GROUP BY flow
ORDER BY flow;
