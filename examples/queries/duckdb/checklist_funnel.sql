-- How many users came to each step of each checklist.
WITH steps AS (
  SELECT
    experience_name AS checklist,
    user_id,
    CASE event_type
      WHEN 'checklist_shown' THEN -1
      WHEN 'checklist_item_completed' THEN item_index
      WHEN 'checklist_completed' THEN 1000
      WHEN 'checklist_skipped' THEN 1001
    END AS place,
    CASE event_type
      WHEN 'checklist_item_completed' THEN item_label
      ELSE replace(event_type, 'checklist_', '')
    END AS step
  FROM read_parquet('{lake}/events/**/*.parquet', hive_partitioning = true, union_by_name = true)
  WHERE event_type LIKE 'checklist_%'
)
SELECT checklist, step, count(DISTINCT user_id) AS users
FROM steps
GROUP BY checklist, place, step
ORDER BY checklist, place;
