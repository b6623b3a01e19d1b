-- One row an answer in a form. The answer to a question with several choices is one text with a line for each.
{{create form_answers}}
SELECT
  {{date}} AS date, occurred_at, event_id, account_id, group_id, user_id, experience_id, experience_name, form_id,
  {{answer field_id}} AS field_id,
  {{answer field_type}} AS field_type,
  {{answer label}} AS label,
  {{answer value}} AS value
FROM {{answers}}
WHERE {{answer field_id}} IS NOT NULL OR {{answer label}} IS NOT NULL OR {{answer value}} IS NOT NULL;
