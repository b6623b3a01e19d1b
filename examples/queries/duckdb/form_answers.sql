-- One row for each answer that was given in a form.
SELECT
  occurred_at,
  user_id,
  form_id,
  answer.field_id,
  answer.field_required,
  answer.label,
  answer.value
FROM read_parquet('{lake}/events/**/*.parquet', hive_partitioning = true, union_by_name = true),
  unnest(form_responses) AS answers (answer)
WHERE answer IS NOT NULL
ORDER BY occurred_at, answer.field_id;
