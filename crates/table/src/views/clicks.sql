-- Clicks on buttons of flows and pins, and taps in mobile flows, by where they led.
{{create clicks}}
SELECT
  {{date}} AS date, account_id, experience_id, experience_type,
  max(experience_name) AS experience_name,
  interaction_destination AS destination,
  interaction_text AS label,
  count(*) AS clicks,
  count(DISTINCT user_id) AS unique_users
FROM {{table events}}
WHERE event_type IN ('web_flow_button_clicked', 'pin_interacted', 'banner_interacted')
  OR interaction_type IN ('Button Tapped', 'Target Tapped')
GROUP BY {{date}}, account_id, experience_id, experience_type, interaction_destination, interaction_text;
