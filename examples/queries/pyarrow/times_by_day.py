# The first and last event of each day (UTC), and how long events took to reach Appcues. Users' clocks can be wrong:
# a delay can be negative, or hours.
import pyarrow as pa
import pyarrow.dataset as ds

days = ds.partitioning(pa.schema({"date": pa.date32()}), flavor="hive")
events = ds.dataset("{lake}/events", partitioning=days)

delay = ds.field("ingested_at") - ds.field("occurred_at")

answer = (
    events.to_table(
        columns={
            "date": ds.field("date"),
            "occurred_at": ds.field("occurred_at"),
            "delay_ms": delay.cast(pa.int64()),  # of milliseconds, as the columns are
        }
    )
    .group_by("date")
    .aggregate(
        [([], "count_all"), ("occurred_at", "min"), ("occurred_at", "max"), ("delay_ms", "min"), ("delay_ms", "max")]
    )
    .rename_columns(["date", "events", "first_event", "last_event", "min_delay_ms", "max_delay_ms"])
    .sort_by("date")
)
print(answer)
