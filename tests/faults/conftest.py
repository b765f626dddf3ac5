"""How often a fault is tried, and where it is written down what came of it."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

FULL = os.environ.get("LAMPLIGHTER_FAULTS") == "full"
RECORD = os.environ.get("LAMPLIGHTER_FAULTS_RECORD")


def trials(full: int, small: int) -> int:
    """How often: `full` with `make faults`, `small` without."""
    return full if FULL else small


@dataclass
class Report:
    """What a fault's row in docs/reliability.md says."""

    fault: str = ""
    trials: int = 0
    rule: str = ""
    figures: dict[str, str] = field(default_factory=dict)

    def of(self, fault: str, trials: int, rule: str) -> None:
        """Name the row; call it first."""
        self.fault, self.trials, self.rule = fault, trials, rule

    def seconds(self, name: str, values: list[float]) -> None:
        """Median and worst of what was measured."""
        ordered = sorted(values)
        self.figures[name] = f"median {ordered[len(ordered) // 2]:.1f} s, worst {ordered[-1]:.1f} s"


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Any:
    result = yield
    if result.when == "call":
        item.stash[PASSED] = result.passed
    return result


PASSED = pytest.StashKey[bool]()


@pytest.fixture
def report(request: pytest.FixtureRequest) -> Iterator[Report]:
    """Filled in by the test, written down with its result."""
    made = Report()
    yield made
    assert made.fault, "the test has not named its fault"
    if RECORD:
        line = {
            "fault": made.fault,
            "trials": made.trials,
            "rule": made.rule,
            "figures": made.figures,
            "passed": request.node.stash.get(PASSED, False),
        }
        with Path(RECORD).open("a", encoding="utf-8") as file:
            file.write(json.dumps(line) + "\n")
