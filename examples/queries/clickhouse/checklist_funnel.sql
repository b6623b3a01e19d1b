-- How many users came to each step of each checklist.
WITH
  multiIf(
    event_type = 'checklist_shown', -1,
    event_type = 'checklist_item_completed', item_index,
    event_type = 'checklist_completed', 1000,
    1001
  ) AS place,
  if(event_type = 'checklist_item_completed', item_label, replaceOne(event_type, 'checklist_', '')) AS step
SELECT experience_name AS checklist, step, uniqExact(user_id) AS users
FROM file('{lake}/events/**/*.parquet', 'Parquet')
WHERE event_type LIKE 'checklist_%'
GROUP BY checklist, place, step
ORDER BY checklist, place;
