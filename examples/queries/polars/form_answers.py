# One row for each answer that was given in a form.
import polars as pl

events = pl.scan_parquet(
    "{lake}/events/**/*.parquet", hive_partitioning=True, missing_columns="insert", extra_columns="ignore"
)

answer = (
    events.select("occurred_at", "user_id", "form_id", answer="form_responses")
    .explode("answer")
    .filter(pl.col("answer").is_not_null())
    .unnest("answer")
    .select("occurred_at", "user_id", "form_id", "field_id", "field_required", "label", "value")
    .sort("occurred_at", "field_id")
    .collect()
)
print(answer)
