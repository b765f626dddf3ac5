"""Alerts from the record: none is lost in a crash, none is said twice, nobody waits for them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from time import monotonic
from typing import Any

import pytest

from scheduler.alerting import AlertPolicy, Kind, Silence
from scheduler.db.alerts import AlertStore
from scheduler.db.alerts import sql as alerts_sql
from scheduler.entry import Retry, Schedule
from scheduler.errors import NotFoundError
from scheduler.incident import Message
from scheduler.job import Done, JobContext, Outcome
from scheduler.run import Trigger
from scheduler.running.fires import fire_on_clock
from scheduler.watching.alerts.keeper import Keeper
from scheduler.watching.alerts.sending import Channel, channels_of
from scheduler.watching.health import Conditions
from tests.support.machine import Machine, ManualTime, NoParams, entry, machine

AT_ONCE = AlertPolicy(group_for=timedelta(0))
ONE_TRY = Retry(attempts=1)


MANY_RUNS = """
INSERT INTO lamplighter.runs (
    id, job, job_type, trigger, status, scheduled_for, overlap_key, params, created_at, finished_at,
    max_attempts)
SELECT gen_random_uuid(), 'work', 'work', 'http', 'failed', $1, 'work', '{}', $1,
       $1 ::timestamptz - n * interval '1 minute', 1
FROM generate_series(1, 20000) AS n
"""


@dataclass
class Work:
    """A job that does as the test says."""

    fails: bool = True
    error: Exception = field(default_factory=lambda: ValueError("no such table"))

    async def __call__(self, _ctx: JobContext, _params: NoParams) -> Outcome:
        if self.fails:
            raise self.error
        return Done({})


@dataclass
class StillClock:
    """What the keeper asks the clock."""

    schedule: Schedule
    expected: dict[str, datetime] = field(default_factory=dict)
    silent_for: float = 0.0

    def expected_since(self, name: str, last_success_for: datetime | None) -> datetime | None:
        expected = self.expected.get(name)
        if expected is None or last_success_for is None:
            return expected
        return max(expected, last_success_for + timedelta(days=1))


@dataclass
class Phone:
    """Channels of a test: what each took, and the reasons for which they take nothing."""

    said: list[tuple[int, Message]] = field(default_factory=list)
    refuses: dict[int, str] = field(default_factory=dict)
    calls: int = 0

    async def __call__(self, channel: Channel, message: Message) -> str | None:
        self.calls += 1
        await asyncio.sleep(0)
        if (reason := self.refuses.get(channel.number)) is not None:
            return reason
        self.said.append((channel.number, message))
        return None

    @property
    def titles(self) -> list[str]:
        return [message.title for _, message in self.said]


@dataclass
class Office:
    one: Machine
    work: Work
    now: ManualTime
    phone: Phone
    clock: StillClock
    conditions: Conditions
    rejected: str | None = None

    def keeper(self, *urls: str, policy: AlertPolicy = AT_ONCE, **options: Any) -> Keeper:
        self.clock.schedule = replace(self.clock.schedule, alerts=policy)
        return Keeper(
            **{
                "store": AlertStore(self.one.pools),
                "channels": channels_of(urls or ["json://one/secret"]),
                "clock": self.clock,
                "conditions": self.conditions,
                "rejected": lambda: self.rejected,
                "now": self.now,
                "site": "host-1",
                "public_url": None,
                "send": self.phone,
                "pauses": (0,),
                **options,
            }
        )

    async def run(self, *, fails: bool) -> None:
        self.work.fails = fails
        await self.one.ended(await self.one.by_hand())

    async def look(self, keeper: Keeper) -> None:
        """One step, and the end of what it sends."""
        self.now.move(seconds=5)
        await keeper.step()
        await keeper.close(5)


@asynccontextmanager
async def office(database: str) -> AsyncIterator[Office]:
    work, now = Work(), ManualTime()
    entries = [entry(retry=ONE_TRY)]
    async with machine(database, work, entries=entries, now=now) as one:
        yield Office(
            one, work, now, Phone(), StillClock(one.runner.schedule), Conditions(starting=False)
        )


@pytest.fixture
async def begun(database: str) -> AsyncIterator[Office]:
    """Alerts were turned on some time ago."""
    async with office(database) as made:
        await made.look(made.keeper())
        yield made


async def test_a_job_that_fails_three_times_and_recovers(begun: Office) -> None:
    keeper = begun.keeper()
    for fails in (True, True, True, False, False):
        await begun.run(fails=fails)
        await begun.look(keeper)
    assert begun.phone.titles == ["work: failed", "work: recovered after 20 s, 3 failed"]
    assert "ValueError: no such table" in begun.phone.said[0][1].body


async def test_what_was_wrong_before_is_no_news(database: str) -> None:
    async with office(database) as made:
        await made.run(fails=True)
        keeper = made.keeper()
        await made.look(keeper)
        await made.look(keeper)
        assert made.phone.titles == []
        await made.run(fails=True)
        await made.look(keeper)
        assert made.phone.titles == ["work: failed, 2 runs in a row"]


async def test_what_goes_wrong_between_the_start_and_the_first_look_is_told(database: str) -> None:
    async with office(database) as made:
        keeper = made.keeper()
        made.now.move(seconds=1)
        await made.run(fails=True)
        await made.look(keeper)
        assert made.phone.titles == ["work: failed"]


async def test_what_happens_while_nobody_looks_is_told_afterwards(begun: Office) -> None:
    await begun.run(fails=True)
    begun.now.move(hours=20)
    await begun.look(begun.keeper())
    assert begun.phone.titles == ["work: failed"]


async def test_what_happened_more_than_a_day_ago_is_nobodys_news(begun: Office) -> None:
    await begun.run(fails=True)
    begun.now.move(hours=25)
    await begun.look(begun.keeper())
    assert begun.phone.titles == []


async def test_a_crash_after_the_look_loses_nothing(begun: Office) -> None:
    await begun.run(fails=True)

    async def die(_channel: Channel, _message: Message) -> str | None:
        raise asyncio.CancelledError

    await begun.look(begun.keeper(send=die))
    assert begun.phone.titles == []
    async with connect_of(begun) as connection:
        await connection.execute(
            "UPDATE lamplighter.alert_deliveries SET claimed_until = clock_timestamp()"
        )
    await begun.look(begun.keeper())
    await begun.look(begun.keeper())
    assert begun.phone.titles == ["work: failed"]


async def test_what_another_replica_sends_just_now_is_left_to_it(begun: Office) -> None:
    await begun.run(fails=True)
    busy = asyncio.Event()

    async def slowly(channel: Channel, message: Message) -> str | None:
        await busy.wait()
        return await begun.phone(channel, message)

    first = begun.keeper(send=slowly)
    begun.now.move(seconds=5)
    await first.step()
    await begun.look(begun.keeper())
    assert begun.phone.titles == []
    busy.set()
    await first.close(5)
    assert begun.phone.titles == ["work: failed"]


async def test_several_replicas_say_it_once(begun: Office) -> None:
    keepers = [begun.keeper() for _ in range(3)]

    async def keep_looking(keeper: Keeper) -> None:
        for _ in range(20):
            begun.now.move(seconds=1)
            await keeper.step()
            await asyncio.sleep(0.01)

    async def work() -> None:
        for fails in (True, True, False, True):
            await begun.run(fails=fails)

    await asyncio.gather(work(), *map(keep_looking, keepers))
    for keeper in keepers:
        await begun.look(keeper)
    async with connect_of(begun) as connection:
        notices = await connection.fetch("SELECT kind FROM lamplighter.alert_notices ORDER BY id")
        deliveries = await connection.fetch("SELECT * FROM lamplighter.alert_deliveries")
    # The last trouble is told; how much of the rest fell into one look is a matter of moments.
    kinds = [row["kind"] for row in notices]
    assert kinds in (["failed", "recovered", "failed"], ["failed"])
    assert {(row["attempts"], row["sent_at"] is None) for row in deliveries} == {(1, False)}
    assert len(begun.phone.said) == len(deliveries)


async def test_a_run_is_looked_at_once_however_the_clock_is_set(begun: Office) -> None:
    keeper = begun.keeper()
    await begun.run(fails=True)
    await begun.look(keeper)
    await begun.run(fails=False)
    await begun.look(keeper)
    begun.now.move(hours=-2)
    await begun.look(keeper)
    assert len(begun.phone.titles) == 2
    await begun.run(fails=True)
    await begun.look(keeper)
    assert len(begun.phone.titles) == 3, "what ends now is seen, though it is before the last look"


async def test_more_ends_than_one_look_takes(
    begun: Office,
) -> None:
    for _ in range(5):
        await begun.run(fails=True)
    begun.now.move(hours=3)
    keeper = begun.keeper(store=AlertStore(begun.one.pools, most_ends=2))
    for _ in range(3):
        await begun.look(keeper)
    async with connect_of(begun) as connection:
        assert await connection.fetchval("SELECT count(*) FROM lamplighter.alert_seen") == 5
    assert begun.phone.titles == ["work: failed, 5 runs in a row"]


async def test_what_somebody_asked_of_a_thing_that_is_not_there_is_no_alert(
    begun: Office,
) -> None:
    begun.work.error = NotFoundError("no such project")
    await begun.run(fails=True)
    await begun.look(begun.keeper())
    assert begun.phone.titles == []


async def test_missed_fires_are_told_with_their_number(begun: Office) -> None:
    fire = fire_on_clock(begun.one.entry("work"), begun.now(), trigger=Trigger.CATCH_UP)
    missed = replace(
        fire, final_status="missed", data={"count": 140, "reason": "the daemon was not running"}
    )
    await begun.one.runner.fire([missed])
    await begun.look(begun.keeper())
    assert begun.phone.titles == ["work: missed 140 fires"]
    assert "the daemon was not running" in begun.phone.said[0][1].body


async def test_a_late_job_is_told_by_healths_own_reckoning(begun: Office) -> None:
    begun.clock.expected["work"] = begun.now()
    begun.clock.schedule = replace(
        begun.clock.schedule, entries={"work": entry(jitter=timedelta(minutes=10))}
    )
    keeper = begun.keeper()
    begun.now.move(minutes=24)
    await begun.look(keeper)
    assert begun.phone.titles == []
    begun.now.move(minutes=2)
    await begun.look(keeper)
    assert begun.phone.titles == ["work: overdue by 16 min"]
    await begun.run(fails=False)
    await begun.look(keeper)
    assert begun.phone.titles[1:] == ["work: recovered after 16 min"]


async def test_conditions_and_rejected_files(begun: Office) -> None:
    keeper = begun.keeper()
    async with connect_of(begun) as connection:
        await connection.execute(
            "INSERT INTO lamplighter.conditions VALUES ('model', 'the cap is reached', now())"
        )
        begun.rejected = "config.yaml: rejected at 12:03, 2 errors"
        await begun.look(keeper)
        await connection.execute("DELETE FROM lamplighter.conditions")
    begun.rejected = None
    begun.now.move(minutes=2)
    await begun.look(keeper)
    assert begun.phone.titles == [
        "model and 1 more: 2 alerts",
        "model and 1 more: 2 alerts",
    ]
    first, second = (message for _, message in begun.phone.said)
    assert "model: the cap is reached" in first.body
    assert "rejected at 12:03, 2 errors" in first.body
    assert "model: over after" in second.body
    assert "config.yaml: accepted again" in second.body
    assert (first.is_good, second.is_good) == (False, True)


async def test_alerts_wait_for_each_other_and_are_rationed(begun: Office) -> None:
    policy = AlertPolicy(group_for=timedelta(seconds=12), most_per_hour=2)
    keeper = begun.keeper(policy=policy)
    await begun.run(fails=True)
    await begun.look(keeper)
    await begun.run(fails=False)
    await begun.look(keeper)
    assert begun.phone.titles == []
    await begun.look(keeper)
    await begun.look(keeper)
    assert begun.phone.titles == ["work: 2 alerts"]
    for fails in (True, False, True, False, True):
        await begun.run(fails=fails)
        await begun.look(keeper)
        begun.now.move(seconds=12)
        await begun.look(keeper)
    assert begun.phone.titles == ["work: 2 alerts", "work: failed"]
    begun.now.move(minutes=59)
    await begun.look(keeper)
    assert begun.phone.titles[2:] == ["work: 4 alerts"]


async def test_silences(begun: Office) -> None:
    silence = Silence(job="w*", until=begun.now() + timedelta(hours=1))
    keeper = begun.keeper(policy=replace(AT_ONCE, silences=(silence,)))
    await begun.run(fails=True)
    await begun.look(keeper)
    assert begun.phone.titles == []
    begun.now.move(hours=1)
    await begun.look(keeper)
    assert begun.phone.titles == ["work: failed"]


async def test_a_channel_that_is_out_is_tried_again_and_shown_without_its_address(
    begun: Office,
) -> None:
    keeper = begun.keeper("json://one/secret", "slack://two/secret")
    begun.phone.refuses[2] = "answered 403"
    await begun.run(fails=True)
    await begun.look(keeper)
    await begun.look(keeper)
    assert [number for number, _ in begun.phone.said] == [1]
    [said] = begun.conditions.alerts
    assert said == "alerts: channel 2 (slack) takes nothing since 12:00"
    begun.now.move(minutes=6)
    await begun.look(keeper)
    await begun.look(keeper)
    assert begun.phone.titles == ["work: failed", "alert channel 2 (slack): takes no alerts"]
    assert {number for number, _ in begun.phone.said} == {1}
    begun.phone.refuses.clear()
    for _ in range(3):
        await begun.look(keeper)
    assert [(number, message.title) for number, message in begun.phone.said[2:]] == [
        (2, "work: failed"),
        (1, "alert channel 2 (slack): takes alerts again"),
    ]
    assert begun.conditions.alerts == []


async def test_a_channel_has_pauses_and_an_end(begun: Office) -> None:
    keeper = begun.keeper(pauses=(3600,))
    begun.phone.refuses[1] = "answered 500"
    await begun.run(fails=True)
    for _ in range(3):
        await begun.look(keeper)
    assert begun.phone.calls == 1
    async with connect_of(begun) as connection:
        await connection.execute("UPDATE lamplighter.alert_deliveries SET next_at = now()")
        begun.now.move(hours=25)
        await begun.look(keeper)
        assert begun.phone.calls == 2
        open_ones = "SELECT count(*) FROM lamplighter.alert_deliveries WHERE given_up_at IS NULL"
        assert await connection.fetchval(f"{open_ones} AND sent_at IS NULL AND message_id = 1") == 0


async def test_a_database_that_is_away_is_told_from_memory(begun: Office) -> None:
    keeper = begun.keeper("json://one/secret", "json://two/secret")
    begun.conditions.database_away_since = monotonic()
    for _ in range(12):
        await begun.look(keeper)
    assert begun.phone.titles == []
    await begun.look(keeper)
    await begun.look(keeper)
    assert begun.phone.titles == ["database: away for 60 s"] * 2
    begun.conditions.database_away_since = None
    await begun.look(keeper)
    assert begun.phone.titles[2:] == ["database: back after 70 s"] * 2
    # It comes and goes: once in a quarter of an hour is enough.
    begun.conditions.database_away_since = monotonic()
    for _ in range(20):
        await begun.look(keeper)
    assert len(begun.phone.titles) == 4


async def test_a_database_that_is_away_can_be_kept_quiet(begun: Office) -> None:
    keeper = begun.keeper(policy=replace(AT_ONCE, off=frozenset({Kind.DATABASE})))
    begun.conditions.database_away_since = monotonic()
    for _ in range(20):
        await begun.look(keeper)
    begun.conditions.database_away_since = None
    await begun.look(keeper)
    assert begun.phone.titles == []


async def test_old_messages_go(begun: Office) -> None:
    keeper = begun.keeper()
    await begun.run(fails=True)
    await begun.look(keeper)
    begun.now.move(days=31)
    await begun.run(fails=True)
    await begun.run(fails=False)
    await begun.look(keeper)
    async with connect_of(begun) as connection:
        assert await connection.fetchval("SELECT count(*) FROM lamplighter.alert_messages") == 1
        assert await connection.fetchval("SELECT count(*) FROM lamplighter.alert_deliveries") == 1


def connect_of(begun: Office) -> Any:
    return begun.one.pools.control()


async def test_a_look_costs_the_same_however_long_the_history_is(begun: Office) -> None:
    """The plan of the one query that reads runs of all jobs: by the index of their ends."""
    async with connect_of(begun) as connection:
        await connection.execute(MANY_RUNS, begun.now())
        query = alerts_sql.ended.sql
        await connection.execute("ANALYZE lamplighter.runs")
        plan = await connection.fetch(f"EXPLAIN {query}", begun.now(), 1_000)
    assert "runs_finished" in "\n".join(row[0] for row in plan)
