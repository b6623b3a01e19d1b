-- Each flow, web or mobile, on each day. A showing counts once, however many events tell of it. unique_users are those
-- with any of these events; the rate is in percent of what was started, and null when nothing was.
{{create flow_daily}}
WITH showings AS (
  SELECT
    {{date}} AS date, account_id, experience_id, experience_name, experience_type, user_id, event_type,
    coalesce(experience_instance_id, event_id) AS showing
  FROM {{table events}}
  WHERE event_type IN (
      'web_flow_started', 'web_flow_completed', 'web_flow_skipped', 'web_flow_error', 'web_flow_step_error',
      'mobile_flow_started', 'mobile_flow_completed', 'mobile_flow_dismissed', 'mobile_flow_error')
    OR (event_type = 'experience_step_error' AND experience_type = 'mobile')
),
counts AS (
  SELECT
    date, account_id, experience_id, experience_type,
    max(experience_name) AS experience_name,
    count(DISTINCT CASE WHEN event_type IN ('web_flow_started', 'mobile_flow_started') THEN showing END) AS started,
    count(DISTINCT CASE WHEN event_type IN ('web_flow_completed', 'mobile_flow_completed') THEN showing END) AS completed,
    count(DISTINCT CASE WHEN event_type IN ('web_flow_skipped', 'mobile_flow_dismissed') THEN showing END) AS skipped,
    count(CASE WHEN event_type LIKE '%error' THEN 1 END) AS errors,
    count(DISTINCT user_id) AS unique_users
  FROM showings
  GROUP BY date, account_id, experience_id, experience_type
)
SELECT
  date, account_id, experience_id, experience_name, experience_type, started, completed, skipped, errors, unique_users,
  {{tenths 1000e0 * completed / nullif(started, 0)}} AS completion_rate
FROM counts;
