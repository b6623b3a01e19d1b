-- One row a score, with the comment on it; a further comment on the same score is a row of its own with that score, and a
-- comment without a score has none. A comment is on its user's latest score at or before it, whatever their shapes.
{{create nps_responses}}
WITH answers AS (
  SELECT
    {{date}} AS date, account_id, group_id, user_id, experience_id, experience_name, occurred_at, nps_score, nps_feedback,
    -- Nobody knows whether two users without an id are one.
    coalesce(user_id, event_id) AS respondent
  FROM {{table events}}
  WHERE nps_score IS NOT NULL OR nps_feedback IS NOT NULL
),
numbered AS (
  SELECT
    date, account_id, group_id, user_id, experience_id, experience_name, occurred_at, nps_score, nps_feedback, respondent,
    count(nps_score) OVER (
      PARTITION BY account_id, respondent
      ORDER BY occurred_at, CASE WHEN nps_score IS NULL THEN 1 ELSE 0 END
      ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW
    ) AS response
  FROM answers
),
paired AS (
  SELECT
    date, account_id, group_id, user_id, experience_id, experience_name, nps_feedback,
    max(nps_score) OVER (PARTITION BY account_id, respondent, response) AS score,
    max(CASE WHEN nps_score IS NOT NULL THEN occurred_at END) OVER (PARTITION BY account_id, respondent, response) AS scored_at,
    CASE WHEN nps_feedback IS NOT NULL THEN occurred_at END AS commented_at,
    count(nps_feedback) OVER (PARTITION BY account_id, respondent, response) AS comments
  FROM numbered
)
SELECT
  date, account_id, group_id, user_id, experience_id, experience_name, score, scored_at, nps_feedback AS feedback, commented_at
FROM paired
WHERE nps_feedback IS NOT NULL OR comments = 0;
