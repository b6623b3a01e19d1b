-- The Net Promoter Score of each survey.
SELECT
  experience_name AS survey,
  count() AS responses,
  countIf(nps_score >= 9) AS promoters,
  countIf(nps_score BETWEEN 7 AND 8) AS passives,
  countIf(nps_score <= 6) AS detractors,
  round(100 * (promoters - detractors) / responses, 1) AS nps
FROM file('{lake}/events/**/*.parquet', 'Parquet')
WHERE nps_score IS NOT NULL
GROUP BY survey
ORDER BY survey;
