# The Net Promoter Score of each survey.
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.dataset as ds

days = ds.partitioning(pa.schema({"date": pa.date32()}), flavor="hive")
events = ds.dataset("{lake}/events", partitioning=days)

score = ds.field("nps_score")
surveys = (
    events.to_table(
        columns={
            "survey": ds.field("experience_name"),
            "promoter": score >= 9,
            "passive": (score == 7) | (score == 8),
            "detractor": score <= 6,
        },
        filter=score.is_valid(),
    )
    .group_by("survey")
    .aggregate([([], "count_all"), ("promoter", "sum"), ("passive", "sum"), ("detractor", "sum")])
    .rename_columns(["survey", "responses", "promoters", "passives", "detractors"])
)
# Counts are unsigned: as decimals of a double their difference can be negative.
promoters, detractors = (surveys[name].cast("double") for name in ["promoters", "detractors"])
nps = pc.multiply(100, pc.divide(pc.subtract(promoters, detractors), surveys["responses"]))

answer = surveys.append_column("nps", pc.round(nps, 1)).sort_by("survey")
print(answer)
