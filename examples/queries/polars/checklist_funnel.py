# How many users came to each step of each checklist.
import polars as pl

events = pl.scan_parquet(
    "{lake}/events/**/*.parquet", hive_partitioning=True, missing_columns="insert", extra_columns="ignore"
)
kind = pl.col("event_type")
is_item = kind == "checklist_item_completed"

answer = (
    events.filter(kind.str.starts_with("checklist_"))
    .group_by(
        checklist="experience_name",
        place=pl.when(is_item)
        .then("item_index")
        .otherwise(kind.replace_strict({"checklist_shown": -1, "checklist_completed": 1000}, default=1001)),
        step=pl.when(is_item).then("item_label").otherwise(kind.str.strip_prefix("checklist_")),
    )
    .agg(users=pl.col("user_id").drop_nulls().n_unique())
    .sort("checklist", "place")
    .drop("place")
    .collect()
)
print(answer)
