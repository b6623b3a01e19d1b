-- One row for each answer that was given in a form.
CREATE EXTERNAL TABLE IF NOT EXISTS events
STORED AS PARQUET
PARTITIONED BY (date)
LOCATION '{lake}/events/';

WITH answers AS (
  SELECT occurred_at, user_id, form_id, unnest(form_responses) AS answer
  FROM events
)
SELECT
  occurred_at,
  user_id,
  form_id,
  answer['field_id'] AS field_id,
  answer['field_required'] AS field_required,
  answer['label'] AS label,
  answer['value'] AS value
FROM answers
WHERE answer IS NOT NULL
ORDER BY occurred_at, field_id;
