-- Where the buttons of flows led, since a day. The condition on date lets ClickHouse skip the files of other days.
SELECT
  interaction_destination AS destination,
  count() AS clicks,
  uniqExact(user_id) AS users
FROM file('{lake}/events/**/*.parquet', 'Parquet')
WHERE event_type = 'web_flow_button_clicked' AND date >= '2025-11-01'
GROUP BY destination
ORDER BY clicks DESC, destination;
