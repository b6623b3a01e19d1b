# All that one user did.
import polars as pl

events = pl.scan_parquet(
    "{lake}/events/**/*.parquet", hive_partitioning=True, missing_columns="insert", extra_columns="ignore"
)

answer = (
    events.filter(pl.col("user_id") == "アキ")
    .select(
        "occurred_at",
        "event_id",
        "event_type",
        "experience_name",
        "experience_version",
        "url",
        "is_anonymous",
        "nps_score",
    )
    .sort("occurred_at", "event_id")
    .collect()
)
print(answer)
