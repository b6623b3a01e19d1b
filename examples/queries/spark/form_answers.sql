-- One row for each answer that was given in a form.
SELECT
  occurred_at,
  user_id,
  form_id,
  answer.field_id,
  answer.field_required,
  answer.label,
  answer.value
FROM parquet.`{lake}/events`
LATERAL VIEW explode(form_responses) answers AS answer
WHERE answer IS NOT NULL
ORDER BY occurred_at, answer.field_id;
