-- How many users are in each group of each experiment. Landfall 0.1.0 had no column for it: older files lack it.
SELECT
  experiment_id AS experiment,
  experiment_group,
  count(DISTINCT user_id) AS users
FROM read_parquet('{lake}/events/**/*.parquet', hive_partitioning = true, union_by_name = true)
WHERE experiment_id IS NOT NULL
GROUP BY experiment_id, experiment_group
ORDER BY experiment_id, experiment_group;
