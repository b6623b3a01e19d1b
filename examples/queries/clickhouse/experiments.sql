-- How many users are in each group of each experiment. Landfall 0.1.0 had no column for it: older files lack it.
SELECT
  experiment_id AS experiment,
  experiment_group,
  uniqExact(user_id) AS users
FROM file('{lake}/events/**/*.parquet', 'Parquet')
WHERE experiment_id IS NOT NULL
GROUP BY experiment_id, experiment_group
ORDER BY experiment_id, experiment_group
SETTINGS schema_inference_mode = 'union';
