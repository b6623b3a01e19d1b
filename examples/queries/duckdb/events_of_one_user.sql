-- All that one user did. Bloom filters let DuckDB skip row groups without that user.
SELECT
  occurred_at,
  event_id,
  event_type,
  experience_name,
  experience_version,
  url,
  is_anonymous,
  nps_score
FROM read_parquet('{lake}/events/**/*.parquet', hive_partitioning = true, union_by_name = true)
WHERE user_id = 'アキ'
ORDER BY occurred_at, event_id;
