"""What the runner tells of its runs: attempts, ends, and rows that were closed without one."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import timedelta

from scheduler.entry import Retry
from scheduler.job import Done, JobContext, Outcome
from scheduler.run import Status, Trigger
from scheduler.running.fires import fire_on_clock
from scheduler.watching.events import AttemptEnded, AttemptStarted, Event, RunClosed
from tests.support.machine import START, NoParams, Stage, entry, machine

NO_WAIT = Retry(attempts=3, backoff=timedelta(0), max_backoff=timedelta(0))


async def test_each_attempt_is_told_with_what_became_of_the_run(database: str) -> None:
    answers: list[Outcome | Exception] = [ValueError("not yet"), Done({"rows": 3})]

    async def work(ctx: JobContext, _params: NoParams) -> Outcome:
        ctx.log.info("looked", attempt=ctx.attempt)
        answer = answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer

    told: list[Event] = []
    async with machine(database, work, entries=[entry(retry=NO_WAIT)]) as one:
        one.events.listen(told.append)
        run = await one.ended(await one.by_hand())
    begun, failed, again, ended = told
    assert isinstance(begun, AttemptStarted)
    assert (begun.claimed.run_id, begun.claimed.attempt) == (run.id, 1)
    assert isinstance(failed, AttemptEnded)
    assert (failed.status, failed.error_message) == (Status.RETRYING, "not yet")
    assert isinstance(again, AttemptStarted)
    assert again.claimed.attempt == 2
    assert isinstance(ended, AttemptEnded)
    assert (ended.status, ended.data, ended.entry.name) == (Status.SUCCEEDED, {"rows": 3}, "work")
    assert [line.event for line in ended.last_lines] == [
        "attempt_started",
        "looked",
        "attempt_ended",
    ]


async def test_rows_without_an_attempt_are_told_too(database: str) -> None:
    stage = Stage()
    told: list[Event] = []
    async with machine(database, stage) as one:
        one.events.listen(told.append)
        fire = fire_on_clock(one.entry("work"), START, trigger=Trigger.CATCH_UP)
        missed = replace(fire, final_status="missed", data={"count": 140})
        [row] = await one.runner.fire([missed])
        running = await one.by_hand()
        await stage.began.wait()
        [waiting] = await one.runner.fire(
            [fire_on_clock(one.entry("work"), START + timedelta(hours=1), trigger=Trigger.SCHEDULE)]
        )
        assert waiting.outcome == "queued"
        assert await one.runner.cancel(waiting.run_id, "not needed") == Status.CANCELLED
        stage.may_end.set()
        await one.ended(running)
    closed = [event for event in told if isinstance(event, RunClosed)]
    assert [(event.run_id, event.status, event.count) for event in closed] == [
        (row.run_id, Status.MISSED, 140),
        (waiting.run_id, Status.CANCELLED, 1),
    ]


async def test_a_listener_that_raises_harms_nobody(database: str) -> None:
    def broken(_event: Event) -> None:
        raise RuntimeError("of no use")

    told: list[Event] = []
    async with machine(database, Stage(Done({}))) as one:
        one.events.listen(broken)
        one.events.listen(told.append)
        fired = await one.by_hand()
        await asyncio.sleep(0)
        await one.runner.cancel(fired.run_id, "enough")
        assert (await one.ended(fired)).status == Status.CANCELLED
    assert [type(event).__name__ for event in told] == ["AttemptStarted", "AttemptEnded"]
