"""What should be in a rollup's row? Counted one by one, simple and slow, from the rows as laid."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from decimal import ROUND_HALF_UP, Decimal

from tests.jobs.rollup_data import Row


def between(rows: Iterable[Row], column: str, start: datetime, end: datetime) -> list[Row]:
    return [row for row in rows if row[column] is not None and start <= row[column] < end]


def number(event: Row, name: str, most: int) -> Decimal | None:
    """What the event says in its metadata, else in its properties, if it is a number in bounds."""
    for column in ("metadata", "properties"):
        said = event.get(column)
        if isinstance(said, dict) and name in said:
            value = said[name]
            if isinstance(value, bool) or not isinstance(value, int | float):
                return None
            exact = Decimal(repr(value))
            return exact if 0 <= exact <= most else None
    return None


def mean(values: Sequence[Decimal | None], unit: str) -> Decimal | None:
    there = [value for value in values if value is not None]
    if not there:
        return None
    return (sum(there, Decimal()) / len(there)).quantize(Decimal(unit), ROUND_HALF_UP)


def hour(
    start: datetime, people: Sequence[Row], events: Sequence[Row], ledger: Sequence[Row]
) -> Row:
    end = start + timedelta(hours=1)
    here = between(events, "at", start, end)
    types = [event["event_type"] for event in here]
    return {
        "hour": start,
        "active_users": len({event["user_id"] for event in here} - {None}),
        "page_views": types.count("page_view"),
        "api_requests": types.count("api_request") + types.count("api_error"),
        "generations": types.count("generation_completed"),
        "credits_used": spent(ledger, start, end),
        "signups": len(between(people, "created_at", start, end)),
        "api_errors": types.count("api_error"),
        "avg_response_time_ms": mean(
            [number(event, "response_time_ms", 86_400_000) for event in here], "1"
        ),
    }


def spent(ledger: Sequence[Row], start: datetime, end: datetime) -> int:
    rows = between(ledger, "at", start, end)
    taken = [row["amount"] for row in rows if row["type"] == "generation"]
    return -sum(min(int(amount), 0) for amount in taken)
