# The Net Promoter Score of each survey.
import polars as pl

events = pl.scan_parquet(
    "{lake}/events/**/*.parquet", hive_partitioning=True, missing_columns="insert", extra_columns="ignore"
)
score = pl.col("nps_score")

answer = (
    events.filter(score.is_not_null())
    .group_by(survey="experience_name")
    .agg(
        responses=pl.len(),
        promoters=(score >= 9).sum(),
        passives=score.is_between(7, 8).sum(),
        detractors=(score <= 6).sum(),
        # The mean of 1, 0 and -1: counts are unsigned in Polars, and a difference of them must not be negative.
        nps=(100 * (score >= 9).cast(pl.Int32) - 100 * (score <= 6).cast(pl.Int32)).mean().round(1),
    )
    .sort("survey")
    .collect()
)
print(answer)
