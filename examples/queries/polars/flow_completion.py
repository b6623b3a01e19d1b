# Of each flow: how often it was started, completed and skipped, by how many users, and the completion rate in percent.
# The rate is null when nothing was started.
import polars as pl

events = pl.scan_parquet(
    "{lake}/events/**/*.parquet", hive_partitioning=True, missing_columns="insert", extra_columns="ignore"
)
kind = pl.col("event_type")
started, completed = pl.col("started"), pl.col("completed")

answer = (
    events.filter(kind.is_in(["web_flow_started", "web_flow_completed", "web_flow_skipped"]))
    .group_by(flow="experience_name")
    .agg(
        started=(kind == "web_flow_started").sum(),
        completed=(kind == "web_flow_completed").sum(),
        skipped=(kind == "web_flow_skipped").sum(),
        # Polars counts null as a value of its own.
        users=pl.col("user_id").drop_nulls().n_unique(),
    )
    .with_columns(completion_rate=pl.when(started > 0).then((100 * completed / started).round(1)))
    .sort("flow")
    .collect()
)
print(answer)
