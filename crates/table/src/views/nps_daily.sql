-- The scores of each survey on each day with any: promoters gave 9 or 10, detractors 0 to 6. The Net Promoter Score is that
-- of the 30 days up to the day, as Appcues shows it.
{{create nps_daily}}
WITH days AS (
  SELECT
    {{date}} AS date, account_id, experience_id,
    max(experience_name) AS experience_name,
    count(nps_score) AS responses,
    count(CASE WHEN nps_score >= 9 THEN 1 END) AS promoters,
    count(CASE WHEN nps_score BETWEEN 7 AND 8 THEN 1 END) AS passives,
    count(CASE WHEN nps_score <= 6 THEN 1 END) AS detractors
  FROM {{table events}}
  WHERE nps_score BETWEEN 0 AND 10
  GROUP BY {{date}}, account_id, experience_id
),
rolling AS (
  SELECT
    date, account_id, experience_id, experience_name, responses, promoters, passives, detractors,
    CAST(sum(responses) OVER (
      PARTITION BY account_id, experience_id ORDER BY {{day_number}} RANGE BETWEEN 29 PRECEDING AND CURRENT ROW
    ) AS BIGINT) AS responses_30_days,
    sum(promoters - detractors) OVER (
      PARTITION BY account_id, experience_id ORDER BY {{day_number}} RANGE BETWEEN 29 PRECEDING AND CURRENT ROW
    ) AS balance_30_days
  FROM days
)
SELECT
  date, account_id, experience_id, experience_name, responses, promoters, passives, detractors, responses_30_days,
  {{tenths 1000e0 * balance_30_days / responses_30_days}} AS score_30_days
FROM rolling;
