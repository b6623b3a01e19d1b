-- The Net Promoter Score of each survey.
SELECT
  experience_name AS survey,
  count(*) AS responses,
  count(*) FILTER (WHERE nps_score >= 9) AS promoters,
  count(*) FILTER (WHERE nps_score BETWEEN 7 AND 8) AS passives,
  count(*) FILTER (WHERE nps_score <= 6) AS detractors,
  round(100 * (promoters - detractors) / responses, 1) AS nps
FROM read_parquet('{lake}/events/**/*.parquet', hive_partitioning = true, union_by_name = true)
WHERE nps_score IS NOT NULL
GROUP BY survey
ORDER BY survey;
