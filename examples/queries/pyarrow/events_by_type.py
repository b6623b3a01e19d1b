# How many events of each type there are, of how many users, and on which days.
import pyarrow as pa
import pyarrow.dataset as ds

days = ds.partitioning(pa.schema({"date": pa.date32()}), flavor="hive")
events = ds.dataset("{lake}/events", partitioning=days)

answer = (
    events.to_table(columns=["event_type", "user_id", "date"])
    .group_by("event_type")
    .aggregate([([], "count_all"), ("user_id", "count_distinct"), ("date", "min"), ("date", "max")])
    .rename_columns(["event_type", "events", "users", "first_day", "last_day"])
    .sort_by("event_type")
)
print(answer)
