# Where the buttons of flows led, since a day. The condition on date lets Polars skip the files of other days.
from datetime import date

import polars as pl

events = pl.scan_parquet(
    "{lake}/events/**/*.parquet", hive_partitioning=True, missing_columns="insert", extra_columns="ignore"
)

answer = (
    events.filter(pl.col("event_type") == "web_flow_button_clicked", pl.col("date") >= date(2025, 11, 1))
    .group_by(destination="interaction_destination")
    .agg(clicks=pl.len(), users=pl.col("user_id").drop_nulls().n_unique())
    .sort("clicks", "destination", descending=[True, False])
    .collect()
)
print(answer)
