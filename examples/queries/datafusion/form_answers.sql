-- One row for each answer that was given in a form.
CREATE EXTERNAL TABLE IF NOT EXISTS events
STORED AS PARQUET
PARTITIONED BY (date)
LOCATION '{lake}/events/';

SELECT
  occurred_at,
  user_id,
  form_id,
  answer.field_id,
  answer.field_required,
  answer.label,
  answer.value
FROM events,
  unnest(form_responses) AS answers (answer)
WHERE answer IS NOT NULL
ORDER BY occurred_at, answer.field_id;
