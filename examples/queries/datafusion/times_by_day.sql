-- The first and last event of each day (UTC), and how long events took to reach Appcues. Users' clocks can be wrong:
-- a delay can be negative, or hours. As a BIGINT a timestamp counts its own unit, which is the millisecond here.
CREATE EXTERNAL TABLE IF NOT EXISTS events
STORED AS PARQUET
PARTITIONED BY (date)
LOCATION '{lake}/events/';

SELECT
  date,
  count(*) AS events,
  min(occurred_at) AS first_event,
  max(occurred_at) AS last_event,
  min(CAST(ingested_at AS BIGINT) - CAST(occurred_at AS BIGINT)) AS min_delay_ms,
  max(CAST(ingested_at AS BIGINT) - CAST(occurred_at AS BIGINT)) AS max_delay_ms
FROM events
GROUP BY date
ORDER BY date;
