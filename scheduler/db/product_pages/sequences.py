"""Which sequences has the product, and how many people stand before each of their steps?

A live product has a million enrolments. They are counted up to `COUNTED`, by an index; above that
the totals are those that `process-sequences` has written.
"""

from __future__ import annotations

from bisect import bisect_right
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from uuid import UUID

from scheduler.job import Connection, Row
from scheduler.sql import load_sql

sql = load_sql(__file__)

NEEDS = {
    "newsletter_sequences": (
        *("id", "slug", "name", "description", "status", "trigger_type", "trigger_config"),
        *("total_enrolled", "total_completed", "active_enrollments"),
    ),
    "newsletter_sequence_steps": (
        *("sequence_id", "step_order", "name", "action_type", "delay_value", "delay_unit"),
        *("subject", "emails_sent"),
    ),
    "newsletter_sequence_enrollments": ("sequence_id", "status", "current_step", "next_step_at"),
}
COUNTED = 10_000
MOST_STEPS = 50


@dataclass(frozen=True, slots=True)
class Step:
    order: int
    name: str
    action: str
    delay: str
    subject: str | None
    sent: int
    waiting: int | None = None
    """Whose next step it is; None where nobody was counted."""


@dataclass(frozen=True, slots=True)
class Course:
    id: UUID
    slug: str
    name: str
    description: str | None
    status: str
    trigger: str
    config: str
    enrolled: int
    completed: int
    active: int
    """These three as `process-sequences` last wrote them."""
    steps: Sequence[Step] = ()
    by_status: Mapping[str, int] = field(default_factory=dict)
    """Only of a single one: everybody counted."""
    is_sample: bool = False
    """There are more than were counted."""


async def listed(connection: Connection, after: str | None, most: int) -> list[Course]:
    """By slug, from after one on; steps without counts where too many people are active."""
    found = [_sequence(row) async for row in sql.listed(connection, after=after, most=most)]
    steps = await _steps(connection, [one.id for one in found])
    rows = [row async for row in sql.active(connection, cap=COUNTED)]
    is_capped = sum(row["people"] for row in rows) > COUNTED
    return [
        replace(
            one,
            steps=steps.get(one.id, [])
            if is_capped
            else _waiting(steps.get(one.id, []), (r for r in rows if r["sequence_id"] == one.id)),
            is_sample=is_capped,
        )
        for one in found
    ]


async def single(connection: Connection, slug: str, key: UUID | None) -> Course | None:
    """With everybody in it, up to `COUNTED`."""
    found = [_sequence(row) async for row in sql.single(connection, slug=slug, id=key)]
    if not found:
        return None
    [one] = found
    steps = await _steps(connection, [one.id])
    rows = [row async for row in sql.enrolled(connection, id=one.id, cap=COUNTED)]
    by_status: Counter[str] = Counter()
    for row in rows:
        by_status[row["status"]] += row["people"]
    return replace(
        one,
        steps=_waiting(steps.get(one.id, []), (r for r in rows if r["status"] == "active")),
        by_status=by_status,
        is_sample=by_status.total() > COUNTED,
    )


async def _steps(connection: Connection, sequences: Sequence[UUID]) -> dict[UUID, list[Step]]:
    found: dict[UUID, list[Step]] = {}
    async for row in sql.steps(connection, sequences=list(sequences), most=MOST_STEPS):
        found.setdefault(row["sequence_id"], []).append(
            Step(
                order=row["step_order"],
                name=row["name"],
                action=row["action"],
                delay=_delay(row["delay_value"], row["delay_unit"]),
                subject=row["subject"],
                sent=row["sent"],
            )
        )
    return found


def _delay(value: int, unit: str) -> str:
    if not value:
        return ""
    return f"{value:,} {unit.removesuffix('s') if value == 1 else unit}"


def _waiting(steps: Sequence[Step], rows: Iterable[Row]) -> list[Step]:
    """`current_step` is the order of the last step done; the next one is the one above it."""
    orders = [step.order for step in steps]
    counts: Counter[int] = Counter()
    for row in rows:
        counts[bisect_right(orders, row["done"])] += row["people"]
    return [replace(step, waiting=counts[n]) for n, step in enumerate(steps)]


def _sequence(row: Row) -> Course:
    return Course(
        id=row["id"],
        slug=row["slug"],
        name=row["name"],
        description=row["description"],
        status=row["status"],
        trigger=row["trigger"],
        config=row["config"],
        enrolled=row["enrolled"],
        completed=row["completed"],
        active=row["active"],
    )
