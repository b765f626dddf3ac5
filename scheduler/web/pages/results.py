"""What a run came to, in a few words: how much it did, out of whatever its job answers. Pure."""

from __future__ import annotations

from collections.abc import Mapping

from scheduler.web.words import number, words

MAIN = (
    *("changed", "downgraded", "sent", "queued", "processed", "updated", "computed", "refreshed"),
    *(
        "projectsProcessed",
        "retriedCount",
        "projectsSynced",
        "published",
        "events",
        "days",
        "hours",
    ),
    *("eventsDeleted", "queueDeleted", "logsCleaned", "results", "total"),
)
"""Names of what a job mainly does, the telling ones first."""
NEVER = frozenset({"errors", "failed", "backlog", "durationMs", "errorDetails", "limit"})


def main_count(numbers: Mapping[str, float]) -> str | None:
    """`12 changed`; the number that tells most, None where there is none."""
    name = main_name([numbers])
    return f"{number(numbers[name])} {words(name)}" if name is not None else None


def main_name(results: list[Mapping[str, float]]) -> str | None:
    """The number that tells most of all these results."""
    there = {name for numbers in results for name in numbers}
    for name in MAIN:
        if name in there:
            return name
    others = sorted(there - NEVER)
    return others[0] if others else None
