# How many users are in each group of each experiment. Landfall 0.1.0 had no column for it: older files lack it.
from pathlib import Path

import polars as pl

files = Path("{lake}/events").rglob("*.parquet")
events = pl.concat([pl.scan_parquet(file) for file in files], how="diagonal")

answer = (
    events.filter(pl.col("experiment_id").is_not_null())
    .group_by("experiment_group", experiment="experiment_id")
    .agg(users=pl.col("user_id").drop_nulls().n_unique())
    .select("experiment", "experiment_group", "users")
    .sort("experiment", "experiment_group")
    .collect()
)
print(answer)
