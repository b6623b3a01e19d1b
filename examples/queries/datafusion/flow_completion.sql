-- Of each flow: how often it was started, completed and skipped, by how many users, and the completion rate in percent.
-- The rate is null when nothing was started.
CREATE EXTERNAL TABLE IF NOT EXISTS events
STORED AS PARQUET
PARTITIONED BY (date)
LOCATION '{lake}/events/';

WITH flows AS (
  SELECT
    experience_name AS flow,
    count(*) FILTER (WHERE event_type = 'web_flow_started') AS started,
    count(*) FILTER (WHERE event_type = 'web_flow_completed') AS completed,
    count(*) FILTER (WHERE event_type = 'web_flow_skipped') AS skipped,
    count(DISTINCT user_id) AS users
  FROM events
  WHERE event_type IN ('web_flow_started', 'web_flow_completed', 'web_flow_skipped')
  GROUP BY experience_name
)
SELECT *, round(100.0 * completed / nullif(started, 0), 1) AS completion_rate
FROM flows
ORDER BY flow;
