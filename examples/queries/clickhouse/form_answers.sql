-- One row for each answer that was given in a form.
SELECT
  occurred_at,
  user_id,
  form_id,
  answer.field_id AS field_id,
  answer.field_required AS field_required,
  answer.label AS label,
  answer.value AS value
FROM file('{lake}/events/**/*.parquet', 'Parquet')
ARRAY JOIN form_responses AS answer
WHERE field_id IS NOT NULL
ORDER BY occurred_at, field_id;
