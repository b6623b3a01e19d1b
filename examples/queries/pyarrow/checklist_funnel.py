# How many users came to each step of each checklist.
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.dataset as ds

days = ds.partitioning(pa.schema({"date": pa.date32()}), flavor="hive")
events = ds.dataset("{lake}/events", partitioning=days)

kind = ds.field("event_type")
is_item = kind == "checklist_item_completed"
other_place = pc.if_else(kind == "checklist_shown", -1, pc.if_else(kind == "checklist_completed", 1000, 1001))

answer = (
    events.to_table(
        columns={
            "checklist": ds.field("experience_name"),
            "place": pc.if_else(is_item, ds.field("item_index"), other_place),
            "step": pc.if_else(is_item, ds.field("item_label"), pc.replace_substring(kind, "checklist_", "")),
            "user_id": ds.field("user_id"),
        },
        filter=pc.starts_with(kind, "checklist_"),
    )
    .group_by(["checklist", "place", "step"])
    .aggregate([("user_id", "count_distinct")])
    .sort_by([("checklist", "ascending"), ("place", "ascending")])
    .drop_columns("place")
    .rename_columns(["checklist", "step", "users"])
)
print(answer)
