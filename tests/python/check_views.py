"""Asks one engine for each of the analyst's views over a lake, and compares with what plain loops over the requests find.

`--sql` is what `landfall schema` prints for the engine; `--requests` the directory that `landfall generate` wrote.
"""

import argparse
import contextlib
import datetime
import json
import math
import pathlib
import sys

from engines import ENGINES, own_directory, table


def read_events(directory: pathlib.Path) -> list[dict]:
    """The events, each once however often it was sent."""
    bodies = set()
    for file in directory.glob("*.jsonl"):
        for line in file.read_text().splitlines():
            bodies.add(json.loads(line)["body"])
    events = [json.loads(body) for body in sorted(bodies)]
    for event in events:
        if isinstance(event["timestamp"], str):
            time = datetime.datetime.fromisoformat(event["timestamp"])
            event["timestamp"] = round(time.timestamp() * 1000)
    return events


def utc(millis: int) -> str:
    time = datetime.datetime.fromtimestamp(millis // 1000, datetime.timezone.utc)
    return time.strftime("%Y-%m-%dT%H:%M:%S") + f".{millis % 1000:03}Z"


def percent(part: int, whole: int):
    """In percent with one decimal, a half rounded up."""
    return math.floor(1000.0 * part / whole + 0.5) / 10 if whole else None


def about(event: dict) -> tuple:
    """The id, name and type of the flow, survey or whatever the event is about."""
    a = event["attributes"]
    if "flowId" in a:
        return a["flowId"], a["flowName"], a["flowType"]
    if "checklistId" in a:
        return a["checklistId"], a["checklistName"], "checklist"
    return a.get("experienceId"), a.get("experienceName"), a.get("experienceType")


def is_mobile(event: dict) -> bool:
    return event["attributes"].get("experienceType") == "mobile"


def flow_daily(events):
    days = {}
    for event in events:
        name, a = event["name"], event["attributes"]
        tapped = name == "appcues:v2:step_interaction" and a.get("interactionType") == "Button Tapped"
        if name == "appcues:flow_started" or is_mobile(event) and (name == "appcues:v2:experience_started" or tapped):
            what = "started"
        elif name == "appcues:flow_completed" or name == "appcues:v2:experience_completed" and is_mobile(event):
            what = "completed"
        elif name == "appcues:flow_skipped" or name == "appcues:v2:experience_dismissed" and is_mobile(event):
            what = "skipped"
        elif name == "appcues:flow_error":
            what = "errors"
        else:
            continue
        day = days.setdefault((utc(event["timestamp"])[:10], *about(event)), {})
        day.setdefault(what, set()).add(a.get("experienceInstanceId") or event["id"])
        day.setdefault("users", set()).add(event["user_id"])
    for (date, id, name, kind), day in days.items():
        started, completed, skipped, errors, users = (
            len(day.get(what, ())) for what in ["started", "completed", "skipped", "errors", "users"]
        )
        rate = percent(completed, started)
        yield date, "20250", id, name, kind, started, completed, skipped, errors, users, rate


def nps_answers(events):
    """Time, event, score and comment of each answer, whatever its shape."""
    for event in events:
        a = event["attributes"]
        score, feedback = a.get("score"), a.get("feedback")
        for response in a.get("interactionData", {}).get("surveyResponses", []):
            if response["type"] == "nps_score":
                score = response["value"]
            else:
                feedback = response["value"]
        if score is not None or feedback is not None:
            yield event["timestamp"], event, score and int(score), feedback


def nps_responses(events):
    users = {}
    for answer in nps_answers(events):
        # Nobody knows whether two users without an id are one.
        users.setdefault(answer[1]["user_id"] or answer[1]["id"], []).append(answer)
    for answers in users.values():
        scores = [(at, event, score) for at, event, score, _ in answers if score is not None]
        commented = set()
        for at, event, _, feedback in answers:
            if feedback is None:
                continue
            # The latest score at or before the comment.
            before = [(scored_at, score) for scored_at, _, score in scores if scored_at <= at]
            scored_at, score = max(before) if before else (None, None)
            commented.add(scored_at)
            yield nps_row(event, score, scored_at, feedback, at)
        for at, event, score in scores:
            if at not in commented:
                yield nps_row(event, score, at, None, None)


def nps_row(event, score, scored_at, feedback, commented_at):
    id, name, _ = about(event)
    date = utc(event["timestamp"])[:10]
    scored_at, commented_at = (at and utc(at) for at in [scored_at, commented_at])
    return date, "20250", event["group_id"], event["user_id"], id, name, score, scored_at, feedback, commented_at


def nps_daily(events):
    days = {}
    for at, event, score, _ in nps_answers(events):
        if score in range(0, 11):
            days.setdefault((*about(event)[:2], utc(at)[:10]), []).append(score)
    for (id, name, date), scores in days.items():
        last = datetime.date.fromisoformat(date)
        recent = []
        for (other, _, day), more in days.items():
            if other == id and 0 <= (last - datetime.date.fromisoformat(day)).days < 30:
                recent += more
        balance = sum(score >= 9 for score in recent) - sum(score <= 6 for score in recent)
        counts = [sum(score in span for score in scores) for span in [range(9, 11), range(7, 9), range(0, 7)]]
        yield date, "20250", id, name, len(scores), *counts, len(recent), percent(balance, len(recent))


def checklist_funnel(events):
    steps, shown = {}, {}
    for event in events:
        a, name = event["attributes"], event["name"]
        if name.startswith("appcues:checklist_"):
            step = name.removeprefix("appcues:checklist_")
            key = (*about(event)[:2], step, a.get("itemIndex"), a.get("itemId"), a.get("itemLabel"))
            steps.setdefault(key, set()).add(event["user_id"])
            if step == "shown":
                shown.setdefault(a["checklistId"], set()).add(event["user_id"])
    for key, users in steps.items():
        yield "20250", *key, len(users), percent(len(users), len(shown.get(key[0], ())))


def form_answers(events):
    for event in events:
        a = event["attributes"]
        answers = a.get("interaction", {}).get("response") or a.get("interactionData", {}).get("formResponse") or []
        for answer in answers:
            what = [answer.get(key) for key in ["fieldId", "fieldType", "label", "value"]] if answer else []
            if not any(what):
                continue
            at = utc(event["timestamp"])
            who = event["id"], "20250", event["group_id"], event["user_id"]
            yield at[:10], at, *who, *about(event)[:2], None, *what


def clicks(events):
    found = {}
    for event in events:
        a, name = event["attributes"], event["name"]
        kind = a.get("interactionType")
        is_pin = name == "appcues:v2:step_interaction" and a["experienceType"] == "persistent"
        if name == "appcues:step_interacted" or is_pin or kind == "Button Tapped":
            id, experience, experience_type = about(event)
            to = a.get("interaction") or a.get("interactionData") or {}
            date = utc(event["timestamp"])[:10]
            key = date, "20250", id, experience_type, experience, to.get("destination"), to.get("text")
            found.setdefault(key, []).append(event["user_id"])
    for key, users in found.items():
        yield *key, len(users), len(set(users))


COLUMNS = {
    flow_daily: "date account_id experience_id experience_name experience_type started completed skipped errors"
    " unique_users completion_rate",
    nps_responses: "date account_id group_id user_id experience_id experience_name score scored_at feedback commented_at",
    nps_daily: "date account_id experience_id experience_name responses promoters passives detractors"
    " responses_30_days score_30_days",
    checklist_funnel: "account_id experience_id experience_name step item_index item_id item_label users rate",
    form_answers: "date occurred_at event_id account_id group_id user_id experience_id experience_name form_id"
    " field_id field_type label value",
    clicks: "date account_id experience_id experience_type experience_name destination label clicks unique_users",
}


def lines(rows) -> list[str]:
    """One line a row, in which 1, 1.0 and "1" differ, in an order of their own: a view has none."""
    return sorted(json.dumps(list(row), ensure_ascii=False) for row in rows)


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--engine", required=True, choices=ENGINES)
    arguments.add_argument("--sql", required=True, type=pathlib.Path)
    arguments.add_argument("--requests", required=True, type=pathlib.Path)
    given = arguments.parse_args()

    sql = given.sql.read_text()
    events = read_events(given.requests)
    problems = []
    with own_directory(), contextlib.contextmanager(ENGINES[given.engine])() as ask:
        for view, columns in COLUMNS.items():
            answer = ask(f"{sql}\nSELECT * FROM {view.__name__};")
            found = table(answer)
            want, have = lines(view(events)), lines(found["rows"])
            print(f"{given.engine}: {view.__name__} {len(have)} rows")
            if not want:
                problems.append(f"{view.__name__}: the traffic has nothing for it")
            if found["columns"] != columns.split():
                problems.append(f"{view.__name__}: columns are {found['columns']}")
            if want != have:
                problems.append(f"{view.__name__}: not as expected ({answer.schema.to_string()})")
                problems += [f"  expected {line}" for line in want if line not in have][:10]
                problems += [f"  got      {line}" for line in have if line not in want][:10]
                problems += [f"  {len(want)} rows expected, {len(have)} got"]
    if problems:
        sys.exit("\n".join(problems))


main()
