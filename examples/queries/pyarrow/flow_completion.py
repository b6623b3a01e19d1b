# Of each flow: how often it was started, completed and skipped, by how many users, and the completion rate in percent.
# The rate is null when nothing was started.
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.dataset as ds

days = ds.partitioning(pa.schema({"date": pa.date32()}), flavor="hive")
events = ds.dataset("{lake}/events", partitioning=days)

kind = ds.field("event_type")
flows = (
    events.to_table(
        columns={
            "flow": ds.field("experience_name"),
            "started": kind == "web_flow_started",
            "completed": kind == "web_flow_completed",
            "skipped": kind == "web_flow_skipped",
            "user_id": ds.field("user_id"),
        },
        filter=kind.isin(["web_flow_started", "web_flow_completed", "web_flow_skipped"]),
    )
    .group_by("flow")
    .aggregate([("started", "sum"), ("completed", "sum"), ("skipped", "sum"), ("user_id", "count_distinct")])
    .rename_columns(["flow", "started", "completed", "skipped", "users"])
)
started = pc.if_else(pc.greater(flows["started"], 0), flows["started"].cast("double"), None)
rate = pc.divide(pc.multiply(100, flows["completed"]), started)

answer = flows.append_column("completion_rate", pc.round(rate, 1)).sort_by("flow")
print(answer)
