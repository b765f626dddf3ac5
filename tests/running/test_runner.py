"""Runs: claimed, run, settled; overlap, retries, timeouts, cancellation, rescue, fencing, drain."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from scheduler.db.fenced import AT_ONCE
from scheduler.entry import Entry, Overlap, Retry
from scheduler.errors import DatabaseAwayError, PermanentError
from scheduler.job import Done, JobContext, Outcome, RetryLater, Skipped
from scheduler.run import Status, Trigger
from scheduler.running import runner as runner_module
from scheduler.running.fires import fire_on_clock
from tests.support.machine import (
    START,
    ManualTime,
    NoParams,
    Stage,
    at_once,
    connect,
    entry,
    machine,
)

NO_WAIT = Retry(attempts=3, backoff=timedelta(0), max_backoff=timedelta(0))


async def test_a_run_is_recorded_from_start_to_end(database: str) -> None:
    async def work(ctx: JobContext, _params: NoParams) -> Outcome:
        ctx.log.info("counted", rows=3)
        ctx.progress(3, 3)
        return Done({"rows": 3})

    async with machine(database, work) as one:
        run = await one.ended(await one.by_hand(reason="to see"))
        assert run.status == Status.SUCCEEDED
        assert run.data == {"rows": 3}
        assert (run.progress_done, run.progress_total) == (3, 3)
        assert (run.started_at, run.finished_at) == (START, START)
        assert (run.attempt, run.reason, run.replica) == (1, "to see", "one")
        [attempt] = await one.store.attempts(run.id)
        assert (attempt.status, attempt.cause) == ("succeeded", "first")
        events = [line.event for line in await one.store.log_lines(run.id)]
        assert events == ["attempt_started", "counted", "attempt_ended"]


@pytest.mark.parametrize(
    ("raised", "attempts", "status"),
    [(ValueError("no"), 3, Status.FAILED), (PermanentError("never"), 1, Status.FAILED)],
)
async def test_failures_are_attempted_again_unless_permanent(
    database: str, raised: Exception, attempts: int, status: Status
) -> None:
    async def work(_ctx: JobContext, _params: NoParams) -> Outcome:
        raise raised

    async with machine(database, work, entries=[entry(retry=NO_WAIT)]) as one:
        run = await one.ended(await one.by_hand())
        assert (run.status, run.attempt) == (status, attempts)
        assert (run.error_type, run.error_message) == (type(raised).__name__, str(raised))
        assert {a.status for a in await one.store.attempts(run.id)} == {"failed"}


async def test_a_failed_attempt_waits_for_its_backoff(database: str) -> None:
    now = ManualTime()
    fails = True

    async def work(_ctx: JobContext, _params: NoParams) -> Outcome:
        if fails:
            raise ValueError("not yet")
        return Done({})

    async with machine(database, work, now=now) as one:
        fired = await one.by_hand()
        while (run := await one.store.get(fired.run_id)) and run.status != Status.RETRYING:
            await asyncio.sleep(0.01)
        assert run is not None
        assert run.next_attempt_at is not None
        assert timedelta(seconds=15) <= run.next_attempt_at - START <= timedelta(seconds=30)
        await one.runner.claim()
        assert len(await one.store.attempts(run.id)) == 1
        fails = False
        now.move(seconds=31)
        run = await one.ended(fired)
        assert (run.status, run.attempt) == (Status.SUCCEEDED, 2)
        assert run.error_message is None


async def test_outcomes_other_than_done(database: str) -> None:
    outcomes: list[Outcome] = [
        RetryLater("not open yet", timedelta(0)),
        Skipped("nothing to do", {"seen": 1}),
    ]

    async def work(_ctx: JobContext, _params: NoParams) -> Outcome:
        return outcomes.pop(0)

    async with machine(database, work) as one:
        run = await one.ended(await one.by_hand())
        assert (run.status, run.attempt) == (Status.SKIPPED, 2)
        assert run.data == {"seen": 1, "reason": "nothing to do"}


async def test_what_a_job_must_not_do_fails_its_run_only(database: str) -> None:
    async def exits(_ctx: JobContext, _params: NoParams) -> Outcome:
        raise SystemExit(3)

    async def returns_nonsense(_ctx: JobContext, _params: NoParams) -> Outcome:
        return "done"  # type: ignore[return-value]  # that is the point

    async def hostile(_ctx: JobContext, _params: NoParams) -> Outcome:
        return Done({"text": "a\x00b", "number": float("nan")})

    once = Retry(attempts=1)
    works = {"exits": exits, "nonsense": returns_nonsense, "hostile": hostile, "work": at_once}
    async with machine(database, works, entries=[entry(name, retry=once) for name in works]) as one:
        assert (await one.ended(await one.by_hand("exits"))).error_type == "SystemExit"
        nonsense = await one.ended(await one.by_hand("nonsense"))
        assert "returned str" in (nonsense.error_message or "")
        strange = await one.ended(await one.by_hand("hostile"))
        assert strange.data == {"text": "a\N{REPLACEMENT CHARACTER}b", "number": "nan"}
        assert (await one.ended(await one.by_hand("work"))).status == Status.SUCCEEDED


async def test_missing_tables_are_named_and_not_tried_again(database: str) -> None:
    async def work(ctx: JobContext, _params: NoParams) -> Outcome:
        async with ctx.db.transaction() as tx:
            await tx.fetch("SELECT * FROM no_such_table")
        return Done({})

    async with machine(database, work) as one:
        run = await one.ended(await one.by_hand())
        assert (run.status, run.attempt) == (Status.FAILED, 1)
        assert "no_such_table" in (run.error_message or "")


async def test_a_timeout_cancels_the_job_and_its_statement(database: str) -> None:
    cancelled = asyncio.Event()

    async def work(ctx: JobContext, _params: NoParams) -> Outcome:
        try:
            async with ctx.db.transaction() as tx:
                await tx.execute("SELECT pg_sleep(3600)")
        finally:
            cancelled.set()
        return Done({})

    short = entry(timeout=timedelta(seconds=0.3), retry=Retry(attempts=1))
    async with machine(database, work, entries=[short]) as one:
        run = await one.ended(await one.by_hand())
        assert run.status == Status.TIMED_OUT
        assert run.error_message is not None
        assert cancelled.is_set()
        async with connect(database) as other:
            sleeping = await other.fetchval(
                "SELECT count(*) FROM pg_stat_activity "
                "WHERE query LIKE '%pg_sleep%' AND state = 'active' AND pid <> pg_backend_pid() "
                "AND datname = current_database()"
            )
        assert sleeping == 0


async def test_a_manual_run_meets_a_running_one(database: str) -> None:
    stage = Stage()
    async with machine(database, stage) as one:
        first = await one.by_hand()
        await stage.begin()
        second = await one.by_hand()
        assert (second.outcome, second.run_id) == ("busy", first.run_id)
        stage.may_end.set()
        await one.ended(first)
        assert (await one.by_hand()).outcome == "started"


async def test_a_fire_of_the_clock_waits_for_a_manual_run(database: str) -> None:
    stage = Stage()
    async with machine(database, stage) as one:
        manual = await one.by_hand()
        await stage.begin()
        fire = await one.on_clock(START)
        assert fire.outcome == "queued"
        stage.may_end.set()
        assert (await one.ended(manual)).status == Status.SUCCEEDED
        assert (await one.ended(fire)).status == Status.SUCCEEDED
        assert len(stage.starts) == 2


async def test_overlap_skip_says_why(database: str) -> None:
    stage = Stage()
    async with machine(database, stage) as one:
        first = await one.on_clock(START)
        await stage.begin()
        second = await one.on_clock(START + timedelta(minutes=1))
        assert second.outcome == "skipped"
        run = await one.ended(second)
        assert run.data is not None
        assert run.data["blockedBy"] == str(first.run_id)
        assert "still going" in str(run.data["reason"])
        stage.may_end.set()
        await one.ended(first)


async def test_overlap_queue_keeps_one_waiting(database: str) -> None:
    stage = Stage()
    async with machine(database, stage, entries=[entry(overlap=Overlap.QUEUE)]) as one:
        fires = [await one.on_clock(START + timedelta(minutes=n)) for n in range(3)]
        assert [fire.outcome for fire in fires] == ["started", "queued", "skipped"]
        stage.may_end.set()
        assert (await one.ended(fires[1])).status == Status.SUCCEEDED


async def test_overlap_cancel_running_takes_the_place(database: str) -> None:
    stage = Stage()
    chosen = entry(overlap=Overlap.CANCEL_RUNNING)
    async with machine(database, stage, entries=[chosen]) as one:
        first = await one.on_clock(START)
        await stage.begin()
        second = await one.on_clock(START + timedelta(minutes=1))
        assert (await one.ended(first)).status == Status.CANCELLED
        await stage.begin(2)
        stage.may_end.set()
        assert (await one.ended(second)).status == Status.SUCCEEDED


async def test_a_caught_up_backlog_runs_one_after_the_other_in_order(database: str) -> None:
    seen: list[object] = []

    async def work(ctx: JobContext, _params: NoParams) -> Outcome:
        seen.append(ctx.scheduled_for)
        return Done({})

    async with machine(database, work) as one:
        times = [START + timedelta(minutes=n) for n in range(4)]
        fired = [await one.on_clock(at, trigger=Trigger.CATCH_UP) for at in times]
        for one_fired in fired:
            assert (await one.ended(one_fired)).status == Status.SUCCEEDED
        assert seen == times


async def test_one_fire_has_one_row_whoever_sees_it(database: str) -> None:
    async with machine(database) as one, machine(database, replica="two") as two:
        results = await asyncio.gather(
            *(which.on_clock(START) for which in (one, two) for _ in range(5))
        )
        assert sorted(result.outcome for result in results) == ["known"] * 9 + ["started"]
        assert len({result.run_id for result in results}) == 1


async def test_more_than_the_slots_wait_their_turn(database: str) -> None:
    stages = {f"work{n}": Stage() for n in range(4)}
    async with machine(database, stages, max_concurrent_runs=2) as one:
        fired = [await one.by_hand(name) for name in stages]
        assert [f.outcome for f in fired] == ["started", "started", "queued", "queued"]
        for stage in stages.values():
            stage.may_end.set()
        for one_fired in fired:
            assert (await one.ended(one_fired)).status == Status.SUCCEEDED


async def test_cancel_of_a_running_a_waiting_and_an_ended_run(database: str) -> None:
    stage = Stage()
    async with machine(database, stage) as one:
        running = await one.by_hand()
        await stage.begin()
        waiting = await one.on_clock(START)
        assert await one.runner.cancel(waiting.run_id, "not needed") == Status.CANCELLED
        assert await one.runner.cancel(running.run_id, "enough") == Status.RUNNING
        run = await one.ended(running)
        assert (run.status, run.error_message) == (Status.CANCELLED, "enough")
        assert await one.runner.cancel(running.run_id, "again") is None


async def test_a_run_elsewhere_is_cancelled_by_its_heartbeat(database: str) -> None:
    stage = Stage()
    async with machine(database, stage) as one, machine(database, replica="two") as two:
        fired = await one.by_hand()
        await stage.begin()
        assert await two.runner.cancel(fired.run_id, "from afar") == Status.RUNNING
        assert (await two.ended(fired)).error_message == "from afar"


async def _silence(database: str) -> None:
    """Make every lease look as if its owner had been dead for an hour."""
    async with connect(database) as connection:
        await connection.execute(
            "UPDATE lamplighter.attempts SET heartbeat_at = heartbeat_at - interval '1 hour' "
            "WHERE status = 'running'"
        )


async def test_an_abandoned_run_is_attempted_again_and_its_zombie_is_fenced(
    database: str,
) -> None:
    stage = Stage()
    refused = asyncio.Event()

    async def zombie(ctx: JobContext, params: NoParams) -> Outcome:
        await stage(ctx, params)
        try:
            async with ctx.db.transaction() as tx:
                await tx.execute("UPDATE app_users SET credits_remaining = -1")
        finally:
            refused.set()
        return Done({"by": "the zombie"})

    async def heir(_ctx: JobContext, _params: NoParams) -> Outcome:
        return Done({"by": "the heir"})

    async with connect(database) as connection:
        await connection.execute("INSERT INTO app_users (email) VALUES ('a@example.com')")
    async with machine(database, zombie, claims=False) as one:
        fired = await one.by_hand()
        await stage.begin()
        await _silence(database)
        async with machine(database, heir, replica="two") as two:
            run = await two.ended(fired)
            assert (run.status, run.attempt, run.data) == (
                Status.SUCCEEDED,
                2,
                {"by": "the heir"},
            )
            first, second = await two.store.attempts(run.id)
            assert (first.status, first.replica) == ("abandoned", "one")
            assert (second.cause, second.replica) == ("rescue", "two")
            stage.may_end.set()
            await refused.wait()
            while one.runner.running:
                await asyncio.sleep(0.01)
            assert (await two.ended(fired)).data == {"by": "the heir"}
        async with connect(database) as connection:
            balance = await connection.fetchval("SELECT credits_remaining FROM app_users")
        assert balance == 10


async def test_a_run_without_attempts_left_stays_abandoned(database: str) -> None:
    stage = Stage()
    chosen = entry(retry=Retry(attempts=1))
    async with machine(database, stage, entries=[chosen], claims=False) as one:
        fired = await one.by_hand()
        await stage.begin()
        await one.runner.rescue(["one"])
        run = await one.ended(fired)
        assert run.status == Status.ABANDONED
        assert "no sign of life" in (run.error_message or "")


async def test_a_drain_waits_then_hands_over(database: str) -> None:
    stage = Stage()
    async with machine(database, stage) as one:
        fired = await one.by_hand()
        await stage.begin()
        await one.runner.drain(0)
        run = await one.store.get(fired.run_id)
        assert run is not None
        assert (run.status, run.error_type) == (Status.RETRYING, "Interrupted")
        assert (await one.by_hand()).outcome == "busy"
    stage.may_end.set()
    async with machine(database, stage, replica="two") as two:
        run = await two.ended(fired)
        assert (run.status, run.attempt) == (Status.SUCCEEDED, 2)


async def test_an_idempotency_key_is_one_run(database: str) -> None:
    async with machine(database, {"work": at_once, "other": at_once}) as one:
        first = await one.by_hand(idempotency_key="k1")
        again = await one.by_hand(idempotency_key="k1")
        assert (again.outcome, again.run_id) == ("repeated", first.run_id)
        assert (await one.by_hand("other", idempotency_key="k1")).outcome == "conflict"
        assert (await one.by_hand("other", idempotency_key="k2")).outcome == "started"


async def test_a_connection_cut_in_mid_transaction_is_a_failed_attempt(database: str) -> None:
    attempts = 0

    async def work(ctx: JobContext, _params: NoParams) -> Outcome:
        nonlocal attempts
        attempts += 1
        async with ctx.db.transaction() as tx:
            if attempts == 1:
                await tx.execute("SELECT pg_terminate_backend(pg_backend_pid())")
            await tx.execute("INSERT INTO app_users (email) VALUES ('a@example.com')")
        return Done({})

    async with machine(database, work, entries=[entry(retry=NO_WAIT)]) as one:
        run = await one.ended(await one.by_hand())
        assert (run.status, run.attempt) == (Status.SUCCEEDED, 2)
        first, _ = await one.store.attempts(run.id)
        assert "terminat" in (first.error_message or "")


async def test_what_failed_before_it_heard_of_its_cancellation_is_not_attempted_again(
    database: str,
) -> None:
    may_fail = asyncio.Event()

    async def work(_ctx: JobContext, _params: NoParams) -> Outcome:
        await may_fail.wait()
        raise ValueError("not that")

    retry = Retry(attempts=3, backoff=timedelta(0), max_backoff=timedelta(0))
    async with machine(database, work, entries=[entry(retry=retry)]) as one:
        fired = await one.by_hand()
        # As another replica does it: the one that runs it hears of it at its next heartbeat.
        cancelled = await one.store.cancel(fired.run_id, START, "by somebody")
        assert cancelled == ("work", Status.RUNNING)
        may_fail.set()
        run = await one.ended(fired)
        assert (run.status, run.attempt) == (Status.CANCELLED, 1)
        assert (run.error_type, run.error_message) == ("Cancelled", "by somebody")
        assert run.finished_at == START
        assert run.next_attempt_at is None


async def test_what_succeeded_before_it_heard_of_its_cancellation_has_no_error(
    database: str,
) -> None:
    stage = Stage()
    async with machine(database, stage) as one:
        fired = await one.by_hand()
        await stage.begin()
        await one.store.cancel(fired.run_id, START, "by somebody")
        stage.may_end.set()
        run = await one.ended(fired)
        assert (run.status, run.error_type, run.error_message) == (Status.SUCCEEDED, None, None)


async def test_a_database_that_cuts_every_connection_fails_no_run_that_succeeded(
    database: str,
) -> None:
    async def work(ctx: JobContext, _params: NoParams) -> Outcome:
        ctx.log.info("worked")
        return Done({})

    cut = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid <> pg_backend_pid()"
    fired = []
    often = [entry(retry=replace(NO_WAIT, attempts=20))]
    async with machine(database, work, entries=often) as one, connect(database) as killer:
        for number in range(30):
            await killer.execute(f"{cut} AND datname = current_database()")
            try:
                fired.append(await one.by_hand())
            except DatabaseAwayError:
                continue
            await asyncio.sleep(0.001 * number)
        assert len(fired) > 5
        for each in fired:
            if each.outcome == "busy":
                continue
            run = await one.ended(each)
            assert run.status == Status.SUCCEEDED, run.error_message
            lines = await one.store.log_lines(run.id)
            events = [line.event for line in lines if line.attempt == run.attempt]
            assert events == ["attempt_started", "worked", "attempt_ended"]


async def test_a_statement_that_ends_with_the_runs_time_is_a_timeout(database: str) -> None:
    async def work(ctx: JobContext, _params: NoParams) -> Outcome:
        # It asks for a connection when there is none left to be had.
        async def hold() -> None:
            async with ctx.db.transaction():
                await asyncio.sleep(60)

        holders = [asyncio.create_task(hold()) for _ in range(AT_ONCE)]
        await asyncio.sleep(0.3)
        try:
            async with ctx.db.transaction():
                return Done({})
        finally:
            for holder in holders:
                holder.cancel()

    quick = [entry(timeout=timedelta(seconds=1), retry=Retry(attempts=1))]
    async with machine(database, work, entries=quick, max_concurrent_runs=1) as one:
        run = await one.ended(await one.by_hand())
        assert (run.status, run.error_type) == (Status.TIMED_OUT, "Timeout")


async def test_a_fire_that_waits_for_its_jitter_keeps_nobody_from_running_the_job(
    database: str,
) -> None:
    now = ManualTime()
    late = entry(jitter=timedelta(minutes=30), cron="0 * * * *")
    async with machine(database, at_once, entries=[late], now=now) as one:
        fire = fire_on_clock(late, START, trigger=Trigger.SCHEDULE, dice=0.5)
        [waiting] = await one.runner.fire([fire])
        assert waiting.outcome == "queued"
        by_hand = await one.ended(await one.by_hand())
        assert by_hand.status == Status.SUCCEEDED
        now.move(minutes=16)
        assert (await one.ended(waiting)).status == Status.SUCCEEDED


async def test_a_pause_ends_what_waits_for_its_jitter(database: str) -> None:
    now = ManualTime()
    late = entry(jitter=timedelta(minutes=30), cron="0 * * * *")
    async with machine(database, at_once, entries=[late], now=now) as one:
        [waiting] = await one.runner.fire(
            [fire_on_clock(late, START, trigger=Trigger.SCHEDULE, dice=0.5)]
        )
        await one.entries.pause("work", clock=now(), until=None, who="ann", reason="repairs")
        run = await one.ended(waiting)
        assert (run.status, run.attempt) == (Status.SKIPPED, 0)
        assert run.data == {"reason": "paused by ann: repairs"}


async def test_an_end_that_is_never_taken_lets_the_run_go(
    database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(runner_module, "SETTLE_FOR", 0.0)
    async with machine(database, entries=[entry(retry=Retry(attempts=1))]) as one:

        async def refuse(*_: object) -> Any:
            raise ArithmeticError

        monkeypatch.setattr(one.store, "settle", refuse)
        fired = await one.by_hand()
        while one.runner.running:
            await asyncio.sleep(0.01)
        [said] = one.upkeep.in_words(database_away=False)
        assert said.startswith("recording the ends of runs has failed")
        # It keeps its lease no longer, so it is taken over like any other.
        await one.runner.rescue(["one"])
        assert (await one.ended(fired)).status == Status.ABANDONED


async def test_an_end_is_recorded_though_its_log_cannot_be(
    database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with machine(database) as one:

        async def refuse(*_: object) -> Any:
            raise ArithmeticError

        monkeypatch.setattr(one.store, "append_logs", refuse)
        assert (await one.ended(await one.by_hand())).status == Status.SUCCEEDED


async def test_one_run_that_cannot_begin_keeps_no_other_from_it(
    database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with machine(database, {"bad": at_once, "good": at_once}) as one:
        begin = one.runner.entry_of

        def torn(name: str, job_type: str) -> Entry:
            if name == "bad":
                raise ArithmeticError
            return begin(name, job_type)

        monkeypatch.setattr(one.runner, "entry_of", torn)
        bad, good = await one.runner.fire(
            [
                fire_on_clock(one.entry(name), START, trigger=Trigger.SCHEDULE)
                for name in ("bad", "good")
            ]
        )
        assert (await one.ended(good)).status == Status.SUCCEEDED
        monkeypatch.undo()
        # Nobody keeps its lease, so it is attempted again.
        await one.runner.rescue(["one"])
        assert (await one.ended(bad)).status == Status.SUCCEEDED
