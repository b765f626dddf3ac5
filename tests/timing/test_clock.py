"""The clock: every fire has exactly one row, on time, caught up, missed or skipped by a pause."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

from scheduler.entry import CatchUp, Entry, Schedule
from scheduler.run import Status
from scheduler.timing.cron import Cron
from tests.support.machine import START, Machine, ManualTime, at_once, entry, machine


@asynccontextmanager
async def ticking(
    database: str, now: ManualTime, *entries: Entry, replica: str = "one"
) -> AsyncIterator[Machine]:
    """A machine whose clock has begun; a test makes it look."""
    works = {one.name: at_once for one in entries}
    async with machine(database, works, entries=list(entries), now=now, replica=replica) as one:
        await one.clock.start()
        await one.clock.look()
        yield one


async def rows(one: Machine) -> list[tuple[str, str, str]]:
    """(time, trigger, status) of every run, in order of its fire."""
    while any(not run.status.is_final for run in await one.record()):
        await asyncio.sleep(0.01)
    record = sorted(await one.record(), key=lambda run: (run.scheduled_for, run.job))
    return [(f"{run.scheduled_for:%H:%M}", str(run.trigger), str(run.status)) for run in record]


def minutely(**values: Any) -> Entry:
    return entry(cron="* * * * *", **values)


async def pass_time(one: Machine, now: ManualTime, seconds: int) -> None:
    """Time as it passes while the daemon is there: in steps with a look at each."""
    for _ in range(0, seconds, 5):
        now.move(seconds=5)
        await one.clock.look()
        await idle(one)


async def idle(one: Machine) -> None:
    while one.runner.running:
        await asyncio.sleep(0.01)


async def test_a_new_entry_begins_now_and_fires_on_time(database: str) -> None:
    now = ManualTime()
    async with ticking(database, now, minutely()) as one:
        assert await one.record() == []
        await pass_time(one, now, 120)
        assert await rows(one) == [
            ("12:01", "schedule", "succeeded"),
            ("12:02", "schedule", "succeeded"),
        ]


async def test_after_downtime_the_last_fire_is_caught_up(database: str) -> None:
    now = ManualTime()
    async with ticking(database, now, minutely()):
        pass
    now.move(minutes=3, seconds=30)
    async with ticking(database, now, minutely()) as one:
        assert await rows(one) == [
            ("12:01", "catch_up", "missed"),
            ("12:02", "catch_up", "missed"),
            ("12:03", "catch_up", "succeeded"),
        ]
        missed = (await one.record())[0]
        assert missed.data is not None
        assert "no daemon was there" in str(missed.data["reason"])


async def test_catch_up_all_inside_its_window(database: str) -> None:
    now = ManualTime()
    chosen = minutely(catch_up=CatchUp.ALL, catch_up_window=timedelta(minutes=2))
    async with ticking(database, now, chosen):
        pass
    now.move(minutes=4, seconds=30)
    async with ticking(database, now, chosen) as one:
        assert await rows(one) == [
            ("12:01", "catch_up", "missed"),
            ("12:02", "catch_up", "missed"),
            ("12:03", "catch_up", "succeeded"),
            ("12:04", "catch_up", "succeeded"),
        ]


async def test_catch_up_none_still_runs_what_is_seconds_late(database: str) -> None:
    now = ManualTime()
    chosen = minutely(catch_up=CatchUp.NONE)
    async with ticking(database, now, chosen):
        pass
    now.move(minutes=2, seconds=5)
    async with ticking(database, now, chosen) as one:
        assert await rows(one) == [
            ("12:01", "catch_up", "missed"),
            ("12:02", "catch_up", "succeeded"),
        ]


async def test_many_missed_fires_are_one_row(database: str) -> None:
    now = ManualTime()
    chosen = minutely(catch_up=CatchUp.NONE)
    async with ticking(database, now, chosen):
        pass
    now.move(days=2, seconds=30)
    async with ticking(database, now, chosen) as one:
        [run] = await one.record()
        assert run.status == Status.MISSED
        assert run.data is not None
        assert run.data["count"] == 2 * 24 * 60
        assert run.data["first"] == (START + timedelta(minutes=1)).isoformat()
        assert run.data["last"] == (START + timedelta(days=2)).isoformat()
        await pass_time(one, now, 60)
        assert len(await one.record()) == 2


async def test_an_absence_in_mid_life_is_downtime_too(database: str) -> None:
    now = ManualTime()
    async with ticking(database, now, minutely()) as one:
        now.move(minutes=5)
        await one.clock.look()
        statuses = [status for _, _, status in await rows(one)]
        assert statuses == ["missed"] * 4 + ["succeeded"]


async def test_steps_of_the_machines_clock_lose_and_double_nothing(database: str) -> None:
    now = ManualTime()
    chosen = minutely(catch_up=CatchUp.ALL)
    async with ticking(database, now, chosen) as one:
        await pass_time(one, now, 60)
        now.move(minutes=3)
        await one.clock.look()
        now.move(minutes=-3)
        await pass_time(one, now, 300)
        times = [time for time, _, _ in await rows(one)]
        assert times == [f"12:{minute:02}" for minute in range(1, 7)]


async def test_two_replicas_fire_once(database: str) -> None:
    now = ManualTime()
    async with (
        ticking(database, now, minutely()) as one,
        ticking(database, now, minutely(), replica="two") as two,
    ):
        for _ in range(24):
            now.move(seconds=5)
            await asyncio.gather(one.clock.look(), two.clock.look())
            await asyncio.gather(idle(one), idle(two))
        assert await rows(one) == [
            ("12:01", "schedule", "succeeded"),
            ("12:02", "schedule", "succeeded"),
        ]


async def test_fires_during_a_pause_become_one_row_that_says_so(database: str) -> None:
    now = ManualTime()
    async with ticking(database, now, minutely()) as one:
        await one.entries.pause(
            "work", clock=now(), until=None, who="an operator", reason="moving house"
        )
        await one.clock.refresh()
        await pass_time(one, now, 180)
        assert await one.record() == []
        assert list(one.clock.pauses) == ["work"]
        assert (await one.by_hand()).outcome == "started"
        assert await one.entries.resume("work", now())
        await one.clock.refresh()
        await one.clock.look()
        assert one.clock.pauses == {}
        await pass_time(one, now, 60)
        assert await rows(one) == [
            ("12:03", "http", "succeeded"),
            ("12:03", "schedule", "skipped"),
            ("12:04", "schedule", "succeeded"),
        ]
        [skipped] = [run for run in await one.record() if run.status == Status.SKIPPED]
        assert skipped.data is not None
        assert skipped.data["reason"] == "paused by an operator: moving house"
        assert skipped.data["count"] == 3


async def test_a_pause_ends_by_itself(database: str) -> None:
    now = ManualTime()
    async with ticking(database, now, minutely()) as one:
        until = START + timedelta(seconds=90)
        await one.entries.pause("work", clock=now(), until=until, who="me", reason=None)
        await one.clock.refresh()
        await pass_time(one, now, 120)
        assert await rows(one) == [
            ("12:01", "schedule", "skipped"),
            ("12:02", "schedule", "succeeded"),
        ]


async def test_a_changed_or_reenabled_entry_begins_now(database: str) -> None:
    now = ManualTime()
    async with ticking(database, now, minutely(), replica="a"):
        pass
    now.move(minutes=10, seconds=30)
    async with ticking(database, now, minutely(enabled=False), replica="b") as one:
        assert await one.record() == []
        assert one.clock.next_fires("work") == []
    now.move(minutes=10)
    async with ticking(database, now, minutely(), replica="c") as one:
        assert await one.record() == []
        hourly = Schedule({"work": entry(cron="30 * * * *")})
        now.move(seconds=5)
        await one.clock.apply(hourly)
        await one.clock.look()
        assert await one.record() == []
        assert one.clock.next_fires("work", 1) == [datetime(2026, 3, 10, 12, 30, tzinfo=UTC)]


class _BrokenCron(Cron):
    """An expression that cannot be reckoned, as a bug in it would be."""

    def after(self, moment: datetime) -> Any:
        raise ArithmeticError("broken")


async def test_an_entry_that_fails_does_not_stop_the_others(database: str) -> None:
    now = ManualTime()
    async with ticking(database, now, minutely(), entry("other")) as one:
        whole = one.clock._crons["other"]
        one.clock._crons["other"] = _BrokenCron(whole.expression, whole.timezone, whole.fields)
        one.clock._next.clear()
        await pass_time(one, now, 60)
        assert await rows(one) == [("12:01", "schedule", "succeeded")]
        one.clock._crons["other"] = whole
        await one.clock.look()
        assert len(await rows(one)) == 2


async def test_jitter_delays_the_start_and_not_the_fire(database: str) -> None:
    now = ManualTime()
    chosen = replace(minutely(), jitter=timedelta(seconds=30))
    async with ticking(database, now, chosen) as one:
        await pass_time(one, now, 60)
        [run] = await one.record()
        assert run.scheduled_for == START + timedelta(minutes=1)
        assert run.next_attempt_at is not None
        late = run.next_attempt_at - run.scheduled_for
        assert timedelta(0) <= late <= timedelta(seconds=30)
        now.move(seconds=31)
        assert await rows(one) == [("12:01", "schedule", "succeeded")]


async def test_what_is_due_when_an_entry_is_changed_is_not_lost(database: str) -> None:
    now = ManualTime()
    async with ticking(database, now, minutely()) as one:
        now.move(seconds=60)
        await one.clock.apply(Schedule({"work": entry(cron="30 * * * *")}))
        assert await rows(one) == [("12:01", "schedule", "succeeded")]
