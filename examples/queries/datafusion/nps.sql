-- The Net Promoter Score of each survey.
CREATE EXTERNAL TABLE IF NOT EXISTS events
STORED AS PARQUET
PARTITIONED BY (date)
LOCATION '{lake}/events/';

WITH surveys AS (
  SELECT
    experience_name AS survey,
    count(*) AS responses,
    count(*) FILTER (WHERE nps_score >= 9) AS promoters,
    count(*) FILTER (WHERE nps_score BETWEEN 7 AND 8) AS passives,
    count(*) FILTER (WHERE nps_score <= 6) AS detractors
  FROM events
  WHERE nps_score IS NOT NULL
  GROUP BY experience_name
)
SELECT *, round(100.0 * (promoters - detractors) / responses, 1) AS nps
FROM surveys
ORDER BY survey;
