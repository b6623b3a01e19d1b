# The first and last event of each day (UTC), and how long events took to reach Appcues. Users' clocks can be wrong:
# a delay can be negative, or hours.
import polars as pl

events = pl.scan_parquet(
    "{lake}/events/**/*.parquet", hive_partitioning=True, missing_columns="insert", extra_columns="ignore"
)
delay_ms = (pl.col("ingested_at") - pl.col("occurred_at")).dt.total_milliseconds()

answer = (
    events.group_by("date")
    .agg(
        events=pl.len(),
        first_event=pl.col("occurred_at").min(),
        last_event=pl.col("occurred_at").max(),
        min_delay_ms=delay_ms.min(),
        max_delay_ms=delay_ms.max(),
    )
    .sort("date")
    .collect()
)
print(answer)
