"""Do the CronJobs say what config.yaml says, to the minute, as Kubernetes reads them?"""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
import yaml

from deploy.manifests import (
    CONFIGMAP,
    CRONJOBS,
    UntranslatableError,
    cluster_cron,
    configmap_yaml,
    cronjobs_yaml,
    schedule_of,
)
from scheduler.timing.cron import Cron
from tests.deploy.files import ROOT, Manifest, changed, kubernetes_errors

CONFIG = ROOT / "config.yaml"
START = datetime(2026, 1, 1, tzinfo=UTC)
RANGES = ((0, 59), (0, 23), (1, 31), (1, 12), (0, 6))
JOB = "spec/jobTemplate/spec"


def cronjobs(text: str) -> list[Manifest]:
    return [one for one in yaml.safe_load_all(text) if one]


def matched(field: str, low: int, high: int) -> tuple[set[int], bool]:
    """The values of a field as robfig/cron has them, and whether it counts as a star."""
    values: set[int] = set()
    star = False
    for part in field.split(","):
        span, _, step = part.partition("/")
        if span == "*":
            first, last, star = low, high, star or int(step or 1) == 1
        else:
            start, dash, end = span.partition("-")
            first = int(start)
            last = int(end) if dash else high if step else first
        if not low <= first <= last <= high:
            raise ValueError(f"{part} is not within {low}-{high}")
        values |= set(range(first, last + 1, int(step or 1)))
    return values, star


def minutes_of_cluster(expression: str, start: datetime, end: datetime) -> list[datetime]:
    """When Kubernetes fires, from midnight to midnight in UTC: written from robfig/cron's rules."""
    minute, hour, day, month, weekday = (
        matched(field, *span) for field, span in zip(expression.split(), RANGES, strict=True)
    )
    found = []
    midnight = start
    while midnight < end:
        on_day, on_weekday = midnight.day in day[0], midnight.isoweekday() % 7 in weekday[0]
        both = on_day and on_weekday if day[1] or weekday[1] else on_day or on_weekday
        if midnight.month in month[0] and both:
            found += [
                moment
                for h in sorted(hour[0])
                for m in sorted(minute[0])
                if start < (moment := midnight.replace(hour=h, minute=m))
            ]
        midnight += timedelta(days=1)
    return found


def fires(expression: str, end: datetime) -> list[datetime]:
    """When the daemon fires, up to that midnight."""
    cron = Cron.parse(expression, ZoneInfo("UTC"))
    return list(cron.between(START, end - timedelta(minutes=1)))


def disagreements(text: str, config: Path = CONFIG) -> list[str]:
    """Where the CronJobs and the schedule differ, found without the code that wrote them."""
    document = yaml.safe_load(config.read_text())
    entries = document["jobs"]
    found = []
    by_entry = {}
    for one in cronjobs(text):
        spec = one["spec"]
        pod = spec["jobTemplate"]["spec"]["template"]["spec"]
        command, run, entry, *_ = pod["containers"][0]["args"]
        if (command, run) != ("lamplighter", "run") or entry not in entries:
            found.append(f"{one['metadata']['name']} runs {entry}")
            continue
        by_entry[entry] = one
        given = entries[entry]
        zone = given.get("timezone", document.get("timezone", "UTC"))
        if spec["timeZone"] != zone:
            found.append(f"{entry}: time zone")
        end = START + timedelta(days=45)
        ours = fires(given["cron"], end)
        if minutes_of_cluster(spec["schedule"], START, end) != ours:
            found.append(f"{entry}: schedule")
        if spec["suspend"] != (not given.get("enabled", True)):
            found.append(f"{entry}: suspend")
        replaces = given.get("overlap") == "cancel_running"
        if spec["concurrencyPolicy"] != ("Replace" if replaces else "Forbid"):
            found.append(f"{entry}: concurrencyPolicy")
        timeout = re.fullmatch(r"(\d+)([smh])", str(given.get("timeout", "10m")))
        assert timeout
        attempts = given.get("retry", {}).get("attempts", 3)
        least = int(timeout[1]) * {"s": 1, "m": 60, "h": 3600}[timeout[2]] * attempts
        if not least < spec["jobTemplate"]["spec"]["activeDeadlineSeconds"] <= least + 3600:
            found.append(f"{entry}: activeDeadlineSeconds")
        missed = minutes_of_cluster(spec["schedule"], START, START + timedelta(days=2))
        within = timedelta(seconds=spec["startingDeadlineSeconds"])
        if any(later - first <= within for first, later in zip(missed, missed[100:], strict=False)):
            found.append(f"{entry}: startingDeadlineSeconds")
        if spec["startingDeadlineSeconds"] < 10 or pod["restartPolicy"] != "Never":
            found.append(f"{entry}: it is never started")
    found += [f"{entry} has no CronJob" for entry in entries if entry not in by_entry]
    return found


def test_the_cronjobs_are_what_config_yaml_says() -> None:
    assert disagreements(CRONJOBS.read_text()) == []


def test_what_is_generated_is_up_to_date() -> None:
    """Changed config.yaml? `make manifests`."""
    assert CONFIGMAP.read_text() == configmap_yaml(CONFIG.read_text())
    assert CRONJOBS.read_text() == cronjobs_yaml(schedule_of(CONFIG))


def test_the_configmap_carries_the_file_as_it_is() -> None:
    carried = yaml.safe_load(CONFIGMAP.read_text())["data"]
    assert carried == {"config.yaml": CONFIG.read_text()}


@pytest.mark.parametrize(
    ("path", "value", "problem"),
    [
        ("spec/schedule", "1 0 * * *", "reset-credits: schedule"),
        ("spec/schedule", "0 0 * * 1", "reset-credits: schedule"),
        ("spec/timeZone", "Europe/Berlin", "time zone"),
        ("spec/suspend", True, "suspend"),
        ("spec/concurrencyPolicy", "Replace", "concurrencyPolicy"),
        (f"{JOB}/activeDeadlineSeconds", 600, "activeDeadlineSeconds"),
        (f"{JOB}/template/spec/containers/0/args/2", "cleanup", "reset-credits has no CronJob"),
    ],
)
def test_a_cronjob_that_differs_is_found(path: str, value: object, problem: str) -> None:
    first, *others = cronjobs(CRONJOBS.read_text())
    text = yaml.safe_dump_all([changed(first, path, value), *others])
    assert problem in "; ".join(disagreements(text))


SCHEDULE = """
timezone: Europe/Berlin
jobs:
  "a/b": {job: cleanup, cron: "*/5 8-18 * * 1-5", overlap: cancel_running, timeout: 90s}
  minutely: {job: cleanup, cron: "* * * * *", catch_up: none, retry: {attempts: 1}}
  sundays: {job: cleanup, cron: "0 8 * * 7", timezone: UTC}
  weekends: {job: cleanup, cron: "30 6 1,15 * fri-7", enabled: false}
  stepped: {job: cleanup, cron: "@hourly", timeout: 2h, retry: {attempts: 5}}
"""


def test_any_schedule_becomes_cronjobs(tmp_path: Path) -> None:
    config = tmp_path / "config.yaml"
    config.write_text(SCHEDULE)

    text = cronjobs_yaml(schedule_of(config))

    assert disagreements(text, config) == []
    made = cronjobs(text)
    assert made[0]["metadata"]["name"] == "lamplighter-a-b"
    assert [error for one in made for error in kubernetes_errors(one, "1.30")] == []


@pytest.mark.parametrize(
    "expression",
    [
        "0 0 * * 7",
        "0 0 * * 5-7",
        "@weekly",
        "0 0 13 * 5",
        "*/7 */5 */2 * *",
        "0 0 * * */2",
        "1 2 3 4 sun",
    ],
)
def test_an_expression_fires_alike_on_both_clocks(expression: str) -> None:
    end = START + timedelta(days=120)
    ours = fires(expression, end)
    assert len(ours) > 0
    assert minutes_of_cluster(cluster_cron(expression), START, end) == ours
    assert all(first < second for first, second in pairwise(ours))


@pytest.mark.parametrize("expression", ["0 0 */2 * 1", "0 0 1 * */2", "0 0 */3 * */2"])
def test_days_that_kubernetes_would_join_otherwise_are_refused(expression: str) -> None:
    with pytest.raises(UntranslatableError, match="both match"):
        cluster_cron(expression)


@pytest.mark.parametrize(
    ("names", "problem"),
    [(("a-b", "a/b"), "two entries"), (("a" * 41, "b"), "too long a name")],
)
def test_names_that_make_no_cronjob_are_refused(
    names: tuple[str, str], problem: str, tmp_path: Path
) -> None:
    config = tmp_path / "config.yaml"
    lines = [f'  "{name}": {{job: cleanup, cron: "@daily"}}\n' for name in names]
    config.write_text("jobs:\n" + "".join(lines))
    with pytest.raises(UntranslatableError, match=problem):
        cronjobs_yaml(schedule_of(config))
