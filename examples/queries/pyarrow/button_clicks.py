# Where the buttons of flows led, since a day. The condition on date lets Arrow skip the files of other days.
from datetime import date

import pyarrow as pa
import pyarrow.dataset as ds

days = ds.partitioning(pa.schema({"date": pa.date32()}), flavor="hive")
events = ds.dataset("{lake}/events", partitioning=days)

answer = (
    events.to_table(
        columns={"destination": ds.field("interaction_destination"), "user_id": ds.field("user_id")},
        filter=(ds.field("event_type") == "web_flow_button_clicked") & (ds.field("date") >= date(2025, 11, 1)),
    )
    .group_by("destination")
    .aggregate([([], "count_all"), ("user_id", "count_distinct")])
    .rename_columns(["destination", "clicks", "users"])
    .sort_by([("clicks", "descending"), ("destination", "ascending")])
)
print(answer)
