-- The first and last event of each day (UTC), and how long events took to reach Appcues. Users' clocks can be wrong:
-- a delay can be negative, or hours.
SELECT
  date,
  count(*) AS events,
  min(occurred_at) AS first_event,
  max(occurred_at) AS last_event,
  min(date_diff('millisecond', occurred_at, ingested_at)) AS min_delay_ms,
  max(date_diff('millisecond', occurred_at, ingested_at)) AS max_delay_ms
FROM read_parquet('{lake}/events/**/*.parquet', hive_partitioning = true, union_by_name = true)
GROUP BY date
ORDER BY date;
