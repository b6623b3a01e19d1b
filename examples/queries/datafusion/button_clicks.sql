-- Where the buttons of flows led, since a day. The condition on date lets DuckDB skip the files of other days.
CREATE EXTERNAL TABLE IF NOT EXISTS events
STORED AS PARQUET
PARTITIONED BY (date)
LOCATION '{lake}/events/';

SELECT
  interaction_destination AS destination,
  count(*) AS clicks,
  count(DISTINCT user_id) AS users
FROM events
WHERE event_type = 'web_flow_button_clicked' AND date >= DATE '2025-11-01'
GROUP BY destination
ORDER BY clicks DESC, destination;
