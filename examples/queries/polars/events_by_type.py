# How many events of each type there are, of how many users, and on which days.
import polars as pl

events = pl.scan_parquet(
    "{lake}/events/**/*.parquet", hive_partitioning=True, missing_columns="insert", extra_columns="ignore"
)

answer = (
    events.group_by("event_type")
    .agg(
        events=pl.len(),
        # Polars counts null as a value of its own.
        users=pl.col("user_id").drop_nulls().n_unique(),
        first_day=pl.col("date").min(),
        last_day=pl.col("date").max(),
    )
    .sort("event_type")
    .collect()
)
print(answer)
