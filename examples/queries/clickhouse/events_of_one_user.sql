-- All that one user did. Bloom filters let ClickHouse skip row groups without that user.
SELECT
  occurred_at,
  event_id,
  event_type,
  experience_name,
  experience_version,
  url,
  is_anonymous,
  nps_score
FROM file('{lake}/events/**/*.parquet', 'Parquet')
WHERE user_id = 'アキ'
ORDER BY occurred_at, event_id;
