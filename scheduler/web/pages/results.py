"""What a run came to, in a few words: how much it did, out of whatever its job answers. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from scheduler.web.words import number, words

MAIN = (
    *("changed", "downgraded", "sent", "queued", "processed", "updated", "computed", "refreshed"),
    *("projectsProcessed", "retriedCount", "projectsSynced", "published"),
    *("events", "days", "hours"),
    *("eventsDeleted", "webhooksDeleted", "queueDeleted", "logsCleaned", "results"),
)
"""Names of what a job mainly does, the telling ones first."""
NEVER = frozenset({"errors", "failed", "backlog", "durationMs", "errorDetails", "limit"})
TOLD = {"retriedCount": "retried", "queueDeleted": "messages deleted"}


def main_count(numbers: Mapping[str, float]) -> str | None:
    """`12 changed`; the number that tells most, None where there is none."""
    name = main_name([numbers])
    return f"{number(numbers[name])} {told(name, numbers[name])}" if name is not None else None


def main_name(results: Sequence[Mapping[str, float]]) -> str | None:
    """The number that tells most of all these results: rather one that is not always 0."""
    there = {name for numbers in results for name in numbers}
    moved = {name for numbers in results for name, value in numbers.items() if value}
    for names in (moved, there):
        for name in MAIN:
            if name in names:
                return name
    return min(there - NEVER, default=None)


def told(name: str, count: float) -> str:
    """What there is so much of: `1 project processed`, `2 projects processed`."""
    things, space, done = (TOLD.get(name) or words(name)).partition(" ")
    if count == 1 and things.endswith("s") and not things.endswith("ss"):
        things = things.removesuffix("s")
        things = things.removesuffix("ie") + "y" if things.endswith("ie") else things
    return things + space + done
