"""How long do things take: mean, median and 90th percentile of durations. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import timedelta

from pydantic import JsonValue

HOUR = timedelta(hours=1)


@dataclass(frozen=True, slots=True)
class Summary:
    """Durations in hours. `unknown` are those that have not ended: they are not zero."""

    count: int
    unknown: int
    mean: float | None
    median: float | None
    p90: float | None

    def as_json(self, unknown: str | None = None) -> dict[str, JsonValue]:
        """With `unknown` as the name of what has not ended, if that can be."""
        said: dict[str, JsonValue] = {
            "count": self.count,
            "meanHours": rounded(self.mean),
            "medianHours": rounded(self.median),
            "p90Hours": rounded(self.p90),
        }
        return said if unknown is None else {**said, unknown: self.unknown}


def summarize(durations: Iterable[timedelta | None]) -> Summary:
    """Of known durations; None counts as unknown."""
    given = list(durations)
    hours = sorted(duration / HOUR for duration in given if duration is not None)
    if not hours:
        return Summary(0, len(given), None, None, None)
    return Summary(
        len(hours),
        len(given) - len(hours),
        sum(hours) / len(hours),
        percentile(hours, 0.5),
        percentile(hours, 0.9),
    )


def percentile(ordered: Sequence[float], share: float) -> float:
    """The value below which `share` of them lie, between two neighbours in proportion.

    As PostgreSQL's percentile_cont, numpy's default, and the inclusive method of `statistics`.
    """
    place = (len(ordered) - 1) * share
    below = int(place)
    above = min(below + 1, len(ordered) - 1)
    return ordered[below] + (ordered[above] - ordered[below]) * (place - below)


def rounded(value: float | None, digits: int = 2) -> float | None:
    return None if value is None else round(value, digits)


def ratio(part: int, whole: int) -> float | None:
    """To three places; None of nothing."""
    return None if whole == 0 else round(part / whole, 3)
