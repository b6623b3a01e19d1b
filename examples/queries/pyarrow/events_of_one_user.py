# All that one user did.
import pyarrow as pa
import pyarrow.dataset as ds

days = ds.partitioning(pa.schema({"date": pa.date32()}), flavor="hive")
events = ds.dataset("{lake}/events", partitioning=days)

answer = events.to_table(
    columns=[
        "occurred_at",
        "event_id",
        "event_type",
        "experience_name",
        "experience_version",
        "url",
        "is_anonymous",
        "nps_score",
    ],
    filter=ds.field("user_id") == "アキ",
).sort_by([("occurred_at", "ascending"), ("event_id", "ascending")])
print(answer)
