"""Is what docs/alerts.md says of `config.yaml` true?"""

from __future__ import annotations

import re
from pathlib import Path

from scheduler.alerting import AlertPolicy, Kind
from scheduler.app import all_jobs
from scheduler.entry import Schedule
from scheduler.timing.schedule import read_schedule

PAGE = (Path(__file__).parents[2] / "docs" / "alerts.md").read_text(encoding="utf-8")
DEFAULTS, SILENCES, PINGS = re.findall(r"```yaml\n(.*?)```", PAGE, re.DOTALL)
JOBS = """
jobs:
  orchestration/batch: {cron: "@daily"}
  sync-newsletter: {cron: "@daily"}
"""


def read(text: str) -> Schedule:
    return read_schedule(
        text, "alerts.md", {name: kind.job.params for name, kind in all_jobs().items()}
    )


def test_the_defaults_are_those_that_are_printed() -> None:
    assert read(JOBS + DEFAULTS).alerts == AlertPolicy()
    assert set(re.findall(r"^  (\w+):", DEFAULTS, re.MULTILINE)) == {
        "kinds",
        *(name for name in AlertPolicy.__slots__ if name != "off"),
    }


def test_the_examples_are_accepted() -> None:
    first, second = read(JOBS + SILENCES).alerts.silences
    assert first.job == "orchestration/*"
    assert second.kinds == {Kind.MISSED, Kind.OVERDUE}
    found = read(PINGS)
    assert found.ping is not None
    assert found.entries["reset-credits"].ping is not None


def test_every_kind_has_its_next_step() -> None:
    rows = re.findall(r"^\| `(\w+)` \|.*\| (.+) \|$", PAGE, re.MULTILINE)
    assert {name for name, _ in rows} == {kind.value for kind in Kind}
