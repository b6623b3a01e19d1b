"""Draws docs/charts/quarter.svg: twelve weeks of made-up traffic, landed by Landfall and asked through its views.

`cargo xtask chart` runs it. The same seed gives the same chart.
"""

import argparse
import datetime
import html
import json
import os
import pathlib
import subprocess
import tempfile

import duckdb

WIDTH, HEIGHT = 920, 380
INK, FAINT, PROMOTER, DETRACTOR, LINE = "#1f2933", "#7b8794", "#8fd3b6", "#f4a9a0", "#264b96"

WEEKS = """
SELECT date_trunc('week', date)::DATE AS week, sum(promoters), sum(detractors), sum(responses)
FROM nps_daily GROUP BY week ORDER BY week
"""

# The checklist with the most items.
FUNNEL = """
WITH largest AS (
  SELECT account_id, experience_id FROM checklist_funnel GROUP BY ALL ORDER BY count(item_id) DESC, experience_id LIMIT 1
)
SELECT experience_name, step, item_label, users, rate
FROM checklist_funnel JOIN largest USING (account_id, experience_id)
WHERE step IN ('shown', 'item_completed', 'completed')
ORDER BY CASE step WHEN 'shown' THEN 0 WHEN 'item_completed' THEN 1 ELSE 2 END, item_index
"""


def land(landfall: str, folder: pathlib.Path) -> str:
    """Lands the traffic below `folder`, and gives the statements that make it a view, with the analyst's views."""

    def run(*arguments: str) -> str:
        environment = {**os.environ, "APPCUES_WEBHOOK_SECRET": "of nobody"}
        command = [landfall, *arguments]
        return subprocess.run(command, cwd=folder, env=environment, check=True, capture_output=True, text=True).stdout

    run("generate", "--days", "84", "--users", "400", "--seed", "1", "--out", "requests")
    with (folder / "events.jsonl").open("w") as events:
        for file in sorted((folder / "requests").glob("*.jsonl")):
            for line in file.open():
                print(json.loads(line)["body"], file=events)
    run("import", "events.jsonl")
    return run("schema", "--dialect", "duckdb", "--uri", str(folder / "lake"))


def text(x: float, y: float, words: str, anchor: str = "start", **style: object) -> str:
    attributes = "".join(f' {name.replace("_", "-")}="{value}"' for name, value in style.items())
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}"{attributes}>{html.escape(words)}</text>'


def rectangle(x: float, y: float, width: float, height: float, fill: str) -> str:
    return f'<rect x="{x:.1f}" y="{y:.1f}" width="{width:.1f}" height="{height:.1f}" fill="{fill}"/>'


def nps_by_week(weeks: list[tuple[datetime.date, int, int, int]]) -> list[str]:
    """Shares of promoters above the line and of detractors below it, and their balance, the score."""
    left, right, top, bottom = 60, 520, 70, 330
    middle, scale = (top + bottom) / 2, (bottom - top) / 200
    step = (right - left) / len(weeks)
    drawn = [text(left - 40, 36, "Net Promoter Score by week", font_size=16, font_weight=600)]
    for value in (-100, -50, 0, 50, 100):
        y = middle - value * scale
        drawn.append(f'<path d="M{left} {y:.1f}H{right}" stroke="{FAINT}" stroke-opacity="{0.8 if value == 0 else 0.25}"/>')
        drawn.append(text(left - 8, y + 4, f"{value:+d}" if value else "0", "end", fill=FAINT))
    points = []
    for number, (week, promoters, detractors, responses) in enumerate(weeks):
        x = left + number * step
        up, down = 100 * promoters / responses * scale, 100 * detractors / responses * scale
        drawn.append(rectangle(x + 5, middle - up, step - 10, up, PROMOTER))
        drawn.append(rectangle(x + 5, middle, step - 10, down, DETRACTOR))
        score = 100 * (promoters - detractors) / responses
        points.append((x + step / 2, middle - score * scale))
        drawn.append(text(points[-1][0], points[-1][1] - 8, f"{score:.0f}", "middle", font_weight=600))
        if number % 2 == 0:
            drawn.append(text(x + step / 2, bottom + 18, f"{week:%-d %b}", "middle", fill=FAINT))
    line = " ".join(f"{x:.1f},{y:.1f}" for x, y in points)
    drawn.append(f'<polyline points="{line}" fill="none" stroke="{LINE}" stroke-width="2"/>')
    drawn += [f'<circle cx="{x:.1f}" cy="{y:.1f}" r="3" fill="{LINE}"/>' for x, y in points]
    drawn += [rectangle(left, bottom + 30, 10, 10, PROMOTER), text(left + 16, bottom + 39, "promoters, 9 and 10, % of answers")]
    drawn += [rectangle(left + 230, bottom + 30, 10, 10, DETRACTOR), text(left + 246, bottom + 39, "detractors, 0 to 6, %")]
    return drawn


def funnel(steps: list[tuple[str, str, str | None, int, float]]) -> list[str]:
    left, right, top = 570, 890, 78
    full, pitch = steps[0][3], min(56.0, 250 / len(steps))
    drawn = [text(left, 36, f"Checklist: {steps[0][0]}", font_size=16, font_weight=600)]
    for number, (_, step, label, users, rate) in enumerate(steps):
        y = top + number * pitch
        drawn.append(text(left, y, label or {"shown": "Shown", "completed": "Completed"}[step]))
        drawn.append(text(right, y, f"{users} users, {rate:.1f}%", "end", fill=FAINT))
        drawn.append(rectangle(left, y + 6, (right - left) * users / full, pitch * 0.4, LINE))
    return drawn


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--landfall", required=True, help="the binary")
    arguments.add_argument("--out", required=True, type=pathlib.Path)
    given = arguments.parse_args()

    with tempfile.TemporaryDirectory() as folder, duckdb.connect() as lake:
        lake.execute(land(given.landfall, pathlib.Path(folder)))
        weeks = lake.execute(WEEKS).fetchall()
        steps = lake.execute(FUNNEL).fetchall()
    drawn = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-labelledby="title"'
        f' font-family="system-ui, sans-serif" font-size="12" fill="{INK}">',
        "<title id=\"title\">Net Promoter Score by week and a checklist's funnel, from twelve weeks of made-up traffic</title>",
        f'<rect width="{WIDTH}" height="{HEIGHT}" rx="8" fill="#ffffff"/>',
        *nps_by_week(weeks),
        *funnel(steps),
        "</svg>",
    ]
    given.out.write_text("\n".join(drawn) + "\n")


main()
