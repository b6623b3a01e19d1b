-- How many users are in each group of each experiment. Landfall 0.1.0 had no column for it: older files lack it.
CREATE EXTERNAL TABLE IF NOT EXISTS events
STORED AS PARQUET
PARTITIONED BY (date)
LOCATION '{lake}/events/';

SELECT
  experiment_id AS experiment,
  experiment_group,
  count(DISTINCT user_id) AS users
FROM events
WHERE experiment_id IS NOT NULL
GROUP BY experiment_id, experiment_group
ORDER BY experiment_id, experiment_group;
