"""How fast does a project move, and is it getting faster? One number with its parts shown. Pure.

Each part is log(1 + value) / log(1 + threshold), at most 1, and the score is their weighted mean
times 100: the form of OpenSSF's Criticality Score (after Rob Pike). By the logarithm the first few
of anything count most, and no part can make up for all the others. The thresholds are what a busy
team of ten does in a week.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

from pydantic import JsonValue

from agents.github.measures.summary import rounded

STABLE = 0.1
"""A change of the score by at most this share is no trend."""
FEWEST_EVENTS = 10
"""Commits, merges and closed issues of both periods together; of fewer nothing can be said."""


@dataclass(frozen=True, slots=True)
class Part:
    weight: float
    threshold: float
    """The value at which the part is full; for hours, the value at which it is empty."""
    less_is_more: bool = False

    def points(self, value: float | None) -> float | None:
        """0 to 1; None where the value is not known."""
        if value is None:
            return None
        share = min(math.log1p(max(value, 0.0)) / math.log1p(self.threshold), 1.0)
        return 1.0 - share if self.less_is_more else share


PARTS: Mapping[str, Part] = {
    # Delivery weighs most, then what is finished of the work that was asked for.
    "commitsPerWeek": Part(weight=25, threshold=100),
    "mergedPerWeek": Part(weight=25, threshold=30),
    "issuesClosedPerWeek": Part(weight=20, threshold=30),
    "releasesPerWeek": Part(weight=10, threshold=2),
    # One person can be fast, but not for long.
    "authors": Part(weight=10, threshold=10),
    # An answer within the hour is all that can be asked; after two weeks nobody waits any more.
    "firstResponseHours": Part(weight=10, threshold=336, less_is_more=True),
}


@dataclass(frozen=True, slots=True)
class Pace:
    """What the parts are made of, for one period. Counts are of people, not of bots."""

    weeks: float
    commits: int
    merged: int
    issues_closed: int
    releases: int
    authors: int
    first_response_hours: float | None
    """The median; None where nobody was answered, which is no reason to call them slow."""

    def values(self) -> dict[str, float | None]:
        return {
            "commitsPerWeek": self.commits / self.weeks,
            "mergedPerWeek": self.merged / self.weeks,
            "issuesClosedPerWeek": self.issues_closed / self.weeks,
            "releasesPerWeek": self.releases / self.weeks,
            "authors": float(self.authors),
            "firstResponseHours": self.first_response_hours,
        }

    def points(self) -> dict[str, float | None]:
        return {name: PARTS[name].points(value) for name, value in self.values().items()}

    @property
    def events(self) -> int:
        return self.commits + self.merged + self.issues_closed


def weighted(points: Mapping[str, float]) -> float:
    """0 to 100. The weight of a part that is not known is shared out among the others."""
    weight = sum(PARTS[name].weight for name in points)
    return 100 * sum(PARTS[name].weight * share for name, share in points.items()) / weight


def score(pace: Pace) -> float:
    """0 where nothing happened: no delivery is not made up for by quick answers."""
    if pace.events == 0:
        return 0.0
    return weighted({name: share for name, share in pace.points().items() if share is not None})


def trend(now: Pace, before: Pace | None) -> tuple[str, float | None]:
    """`rising`, `falling`, `stable` or `insufficient_data`, and the change as a share of before.

    Held against the equal period before by the parts that are known of both. `before` is None where
    that period is not known as a whole. From nothing the change has no share.
    """
    if before is None or now.events + before.events < FEWEST_EVENTS:
        return "insufficient_data", None
    mine, theirs = now.points(), before.points()
    both = [name for name in PARTS if mine[name] is not None and theirs[name] is not None]
    after = _by(mine, both) if now.events else 0.0
    first = _by(theirs, both) if before.events else 0.0
    if first == 0:
        return "rising", None
    change = (after - first) / first
    if abs(change) <= STABLE:
        return "stable", change
    return ("rising" if change > 0 else "falling"), change


def _by(points: Mapping[str, float | None], names: list[str]) -> float:
    return weighted({name: share for name in names if (share := points[name]) is not None})


def velocity(now: Pace, before: Pace | None) -> dict[str, JsonValue]:
    """`{score, previousScore, trend, change, components}`, each component with what made it."""
    direction, change = trend(now, before)
    values, points = now.values(), now.points()
    return {
        "score": rounded(score(now), 1),
        "previousScore": None if before is None else rounded(score(before), 1),
        "trend": direction,
        "change": rounded(change, 3),
        "components": {
            name: {
                "value": rounded(values[name]),
                "points": rounded(None if share is None else 100 * share, 1),
                "weight": PARTS[name].weight,
                "threshold": PARTS[name].threshold,
            }
            for name, share in points.items()
        },
    }
