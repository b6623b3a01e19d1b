# How many users are in each group of each experiment. Landfall 0.1.0 had no column for it: older files lack it.
import pyarrow as pa
import pyarrow.dataset as ds

files = ds.dataset("{lake}/events")
events = files.replace_schema(pa.unify_schemas([file.physical_schema for file in files.get_fragments()]))

answer = (
    events.to_table(
        columns={
            "experiment": ds.field("experiment_id"),
            "experiment_group": ds.field("experiment_group"),
            "user_id": ds.field("user_id"),
        },
        filter=ds.field("experiment_id").is_valid(),
    )
    .group_by(["experiment", "experiment_group"])
    .aggregate([("user_id", "count_distinct")])
    .rename_columns(["experiment", "experiment_group", "users"])
    .sort_by([("experiment", "ascending"), ("experiment_group", "ascending")])
)
print(answer)
