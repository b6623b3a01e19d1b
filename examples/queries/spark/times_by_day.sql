-- The first and last event of each day (UTC), and how long events took to reach Appcues. Users' clocks can be wrong:
-- a delay can be negative, or hours.
SELECT
  date,
  count(*) AS events,
  min(occurred_at) AS first_event,
  max(occurred_at) AS last_event,
  min(unix_millis(ingested_at) - unix_millis(occurred_at)) AS min_delay_ms,
  max(unix_millis(ingested_at) - unix_millis(occurred_at)) AS max_delay_ms
FROM parquet.`{lake}/events`
GROUP BY date
ORDER BY date;
