"""Two years of the schedule in minutes: the record has exactly the rows that an oracle says."""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import asyncpg
import pytest

from scheduler.app import all_jobs
from scheduler.entry import Entry, Schedule
from scheduler.timing.schedule import load_schedule
from tests.faults.conftest import FULL, Report, trials
from tests.faults.invariants import violations
from tests.faults.two_years import (
    SECOND,
    Fires,
    History,
    Life,
    Row,
    make_history,
    must_be,
    odd_entries,
    spelled,
)
from tests.support.machine import Machine, ManualTime, NoParams, at_once, connect, machine

pytestmark = pytest.mark.timeout(3000 if FULL else 120)

BEGIN = datetime(2027, 3, 1, tzinfo=UTC)
"""Summer time begins in its month, and its years have a leap day."""
CONFIG = Path(__file__).parents[2] / "config.yaml"
IS_BUSY = "SELECT EXISTS (SELECT FROM lamplighter.runs WHERE finished_at IS NULL)"
RECORD = """
    SELECT job, scheduled_for, trigger, status, coalesce((data ->> 'count') ::int, 1) AS count,
           coalesce((data ->> 'first') ::timestamptz, scheduled_for) AS first
    FROM lamplighter.runs
"""


def whole_schedule() -> Schedule:
    """The file's, with jobs that end at once in place of its own."""
    schedule = load_schedule(CONFIG, {name: kind.job.params for name, kind in all_jobs().items()})
    entries = {
        name: replace(entry, job=name, params=NoParams())
        for name, entry in schedule.entries.items()
    }
    return replace(schedule, entries=entries)


def chosen(schedule: Schedule, dice: random.Random) -> list[Entry]:
    entries = [*schedule.entries.values(), *odd_entries(dice)]
    if not FULL:
        # Without those that come most often.
        often = ("* * * *", "*/6 * * *", "0-12 * * sat")
        entries = [entry for entry in entries if not entry.cron.endswith(often)]
    return entries


@dataclass(frozen=True)
class Step:
    """At `at` something is due, or somebody does something."""

    at: datetime
    what: str = "look"
    name: str = ""
    until: datetime | None = None
    entries: Schedule | None = None
    fires: int = 0
    """How many expressions fire then."""


def steps(history: History, life: Life, fires: Fires, schedule: Schedule) -> Sequence[Step]:
    """All that happens in a life, in its order; fires also of what is paused or was changed."""
    found = [
        Step(at, "apply", entries=replace(schedule, entries=entries))
        for at, entries in life.changes
    ]
    for pause in history.pauses:
        if life.up < pause.start < life.down:
            until = pause.end if pause.known else None
            found.append(Step(pause.start, "pause", pause.name, until))
        if life.up < pause.end < life.down:
            what = "look" if pause.known else "resume"
            found.append(Step(pause.end, what, pause.name))
    which = {
        spelled(entry)
        for entries in (life.entries, *(entries for _, entries in life.changes))
        for entry in entries.values()
    }
    due = Counter(fire for one in which for fire in fires.between(one, life.up, life.down))
    found += [Step(fire, fires=count) for fire, count in due.items()]
    return sorted(found, key=lambda step: step.at)


async def live(
    one: Machine, now: ManualTime, todo: Sequence[Step], dice: random.Random, dsn: str
) -> None:
    async with connect(dsn) as connection:
        await idle(connection)
        for step in todo:
            # It has ticked all the time up to now, and finds each fire some seconds late.
            now.moment = one.clock._looked_at = step.at
            match step.what:
                case "apply":
                    assert step.entries is not None
                    await one.clock.apply(step.entries)
                case "pause":
                    await one.entries.pause(
                        step.name, clock=now(), until=step.until, who="one", reason=None
                    )
                    await one.clock.refresh()
                case "resume":
                    assert await one.entries.resume(step.name, now())
                    await one.clock.refresh()
                case _:
                    now.moment += dice.randint(0, 8) * SECOND
            await one.clock.look()
            while one.runner.running:
                await asyncio.sleep(0)
            if step.fires != 1:
                # Some may have had to wait for others.
                await idle(connection)


async def idle(connection: asyncpg.Connection[asyncpg.Record]) -> None:
    while await connection.fetchval(IS_BUSY):
        await asyncio.sleep(0.001)


async def recorded(dsn: str) -> list[Row]:
    async with connect(dsn) as connection:
        return sorted(Row(**row) for row in await connection.fetch(RECORD))


async def test_the_record_of_two_years_is_the_oracles(database: str, report: Report) -> None:
    months = trials(24, 1)
    report.of(
        f"{months} simulated months of the whole schedule: zones with summer time, downtimes, "
        "pauses, reloads, every catch_up policy",
        1,
        "the record equals an independent oracle's, row by row",
    )
    dice = random.Random(24)
    schedule = whole_schedule()
    entries = chosen(schedule, dice)
    end = BEGIN + timedelta(days=months * 30.5)
    history = make_history(entries, BEGIN, end, dice)
    fires = Fires(history, BEGIN, end + timedelta(days=1))
    now = ManualTime(BEGIN)
    works = {entry.name: at_once for entry in entries}
    for number, life in enumerate(history.lives):
        now.moment = life.up
        async with machine(
            database,
            works,
            entries=[*life.entries.values()],
            now=now,
            replica=f"life {number}",
            max_concurrent_runs=schedule.max_concurrent_runs,
        ) as one:
            await one.clock.start()
            await one.clock.look()
            await live(one, now, steps(history, life, fires, schedule), dice, database)
            now.moment = life.down
    expected = must_be(history, fires)
    found = await recorded(database)
    assert list(differences(expected, found)) == []
    assert await violations(database) == []
    kinds = {(row.trigger, row.status) for row in expected}
    assert kinds == {
        ("schedule", "succeeded"),
        ("schedule", "skipped"),
        ("catch_up", "succeeded"),
        ("catch_up", "missed"),
    }
    assert any(row.count > 100 for row in expected) or not FULL
    report.figures["rows"] = f"{len(found):,}"
    report.figures["fires"] = f"{sum(row.count for row in found):,}"
    report.figures["lives"] = f"{len(history.lives)}"


def differences(expected: list[Row], found: list[Row]) -> Iterator[str]:
    yield from (f"not there: {row}" for row in sorted(set(expected) - set(found))[:20])
    yield from (f"too much: {row}" for row in sorted(set(found) - set(expected))[:20])
    if len(expected) != len(found):
        yield f"{len(found)} rows and not {len(expected)}"
