-- All that one user did. Bloom filters let DataFusion skip row groups without that user.
CREATE EXTERNAL TABLE IF NOT EXISTS events
STORED AS PARQUET
PARTITIONED BY (date)
LOCATION '{lake}/events/';

SELECT
  occurred_at,
  event_id,
  event_type,
  experience_name,
  experience_version,
  url,
  is_anonymous,
  nps_score
FROM events
WHERE user_id = 'アキ'
ORDER BY occurred_at, event_id;
