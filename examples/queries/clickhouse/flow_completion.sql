-- Of each flow: how often it was started, completed and skipped, by how many users, and the completion rate in percent.
-- The rate is null when nothing was started.
SELECT
  experience_name AS flow,
  countIf(event_type = 'web_flow_started') AS started,
  countIf(event_type = 'web_flow_completed') AS completed,
  countIf(event_type = 'web_flow_skipped') AS skipped,
  uniqExact(user_id) AS users,
  round(100 * completed / nullIf(started, 0), 1) AS completion_rate
FROM file('{lake}/events/**/*.parquet', 'Parquet')
WHERE event_type IN ('web_flow_started', 'web_flow_completed', 'web_flow_skipped')
GROUP BY flow
ORDER BY flow;
