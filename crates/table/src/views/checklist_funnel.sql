-- How many users came to each step of each checklist: shown, each item completed, completed; and skipped. The rate is in
-- percent of the users to whom the checklist was shown.
{{create checklist_funnel}}
WITH steps AS (
  SELECT
    account_id, experience_id, event_type, item_id,
    max(experience_name) AS experience_name,
    max(item_label) AS item_label,
    max(item_index) AS item_index,
    count(DISTINCT user_id) AS users
  FROM {{table events}}
  WHERE event_type IN ('checklist_shown', 'checklist_item_completed', 'checklist_completed', 'checklist_skipped')
  GROUP BY account_id, experience_id, event_type, item_id
),
funnel AS (
  SELECT
    account_id, experience_id, item_id, item_label, item_index, users,
    max(experience_name) OVER (PARTITION BY account_id, experience_id) AS experience_name,
    substr(event_type, 11) AS step,
    max(CASE WHEN event_type = 'checklist_shown' THEN users END) OVER (PARTITION BY account_id, experience_id) AS shown
  FROM steps
)
SELECT
  account_id, experience_id, experience_name, step, item_index, item_id, item_label, users,
  {{tenths 1000e0 * users / nullif(shown, 0)}} AS rate
FROM funnel;
