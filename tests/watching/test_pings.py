"""Dead man's switches hear of every run, in order, and harm none."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from functools import partial
from typing import Any
from uuid import UUID

import pytest
from pydantic import SecretStr

from scheduler.entry import Entry, Retry, Schedule
from scheduler.errors import PermanentError
from scheduler.job import Done, JobContext, Outcome, Skipped
from scheduler.outbound.ping import Pinger, PingError, Signal, address
from scheduler.run import Status
from scheduler.watching.events import RunClosed
from scheduler.watching.pings import MOST_BODY, MOST_WAITING, Pings
from scheduler.watching.upkeep import Upkeep
from tests.support.checks import Checks, checks_service
from tests.support.machine import START, Machine, NoParams, Stage, entry, machine

NO_WAIT = Retry(attempts=2, backoff=timedelta(0), max_backoff=timedelta(0))
RUN = UUID("6f1c2f0e-7a0b-4d53-9a3e-0c5b1d2e3f40")


@pytest.fixture
async def checks() -> AsyncIterator[Checks]:
    async with checks_service() as service:
        yield service


def pinged(checks: Checks, check: str = "one", **values: Any) -> Entry:
    return entry(ping=SecretStr(checks.url(check)), **values)


@asynccontextmanager
async def pings_of(
    one: Machine, checks: Checks, *, seconds: float = 5.0, pauses: tuple[float, ...] = (0.0, 0.0)
) -> AsyncIterator[Pings]:
    pinger = Pinger({checks.host}, seconds=seconds)
    pings = Pings(pinger, lambda: one.runner.schedule, pauses=pauses)
    one.events.listen(pings.hear)
    try:
        yield pings
    finally:
        await pings.close(5)


async def test_runs_are_told_from_start_to_end_with_their_id(database: str, checks: Checks) -> None:
    """Fails for good, then recovers: the attempts in between are nobody's business."""
    answers: list[Outcome | Exception] = [ValueError("no"), ValueError("still no"), Done({})]

    async def work(ctx: JobContext, _params: NoParams) -> Outcome:
        ctx.log.info("looked", email="ann@example.com")
        answer = answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer

    entries = [pinged(checks, retry=NO_WAIT)]
    async with machine(database, work, entries=entries) as one, pings_of(one, checks):
        first = await one.ended(await one.by_hand())
        second = await one.ended(await one.by_hand())
    assert (first.status, second.status) == (Status.FAILED, Status.SUCCEEDED)
    assert [(heard.action, heard.rid) for heard in checks.pings] == [
        ("start", first.id),
        ("fail", first.id),
        ("start", second.id),
        ("success", second.id),
    ]
    assert checks.checks["one"].status == "up"
    assert checks.checks["one"].started is None
    body = checks.pings[1].body
    assert body.startswith("ValueError: still no\nfailed, attempt 2 of 2")
    assert "looked" in body
    assert "ann@" not in body


@pytest.mark.parametrize(
    ("outcome", "actions"),
    [(Skipped("nothing to do"), ["start", "success"]), (Done({}), ["start", "success"])],
)
async def test_a_job_that_had_nothing_to_do_has_kept_its_schedule(
    database: str, checks: Checks, outcome: Outcome, actions: list[str]
) -> None:
    async def work(_ctx: JobContext, _params: NoParams) -> Outcome:
        return outcome

    entries = [pinged(checks)]
    async with machine(database, work, entries=entries) as one, pings_of(one, checks):
        await one.ended(await one.by_hand())
    assert checks.actions() == actions


async def test_what_was_cancelled_is_not_told(database: str, checks: Checks) -> None:
    stage = Stage()
    entries = [pinged(checks)]
    async with machine(database, stage, entries=entries) as one, pings_of(one, checks):
        fired = await one.by_hand()
        await stage.began.wait()
        await one.runner.cancel(fired.run_id, "not needed")
        await one.ended(fired)
    assert checks.actions() == ["start"]


async def test_a_run_that_nobody_will_attempt_again_has_failed(
    database: str, checks: Checks
) -> None:
    async with (
        machine(database, entries=[pinged(checks)]) as one,
        pings_of(one, checks) as pings,
    ):
        pings.hear(RunClosed(RUN, "work", Status.ABANDONED, START))
        pings.hear(RunClosed(RUN, "work", Status.MISSED, START))
        pings.hear(RunClosed(RUN, "unknown", Status.ABANDONED, START))
    assert [(heard.action, heard.rid) for heard in checks.pings] == [("fail", RUN)]


async def test_an_entry_without_an_address_is_not_told(database: str, checks: Checks) -> None:
    async with machine(database) as one, pings_of(one, checks):
        await one.ended(await one.by_hand())
    assert checks.calls == 0


async def test_a_body_is_bounded_and_keeps_the_error_and_the_end(
    database: str, checks: Checks
) -> None:
    async def work(ctx: JobContext, _params: NoParams) -> Outcome:
        for number in range(50):
            ctx.log.info("looked", number=number, text="ä" * 1_200)
        raise PermanentError("x" * 5_000)

    entries = [pinged(checks)]
    async with machine(database, work, entries=entries) as one, pings_of(one, checks):
        await one.ended(await one.by_hand())
    body = checks.pings[1].body
    assert len(body.encode()) <= MOST_BODY
    assert body.startswith("PermanentError: xxx")
    assert '"number": 49' in body
    assert '"number": 29' not in body


async def test_trouble_on_the_way_is_met_with_a_few_more_tries(
    database: str, checks: Checks
) -> None:
    checks.answers = [500, "drop", None, 503, 503, 503]
    entries = [pinged(checks)]
    async with machine(database, entries=entries) as one, pings_of(one, checks):
        await one.ended(await one.by_hand())
        await one.ended(await one.by_hand())
    # The third try of the first start was taken; its end was given up after as many.
    assert checks.actions() == ["start", "start", "success"]
    assert checks.calls == 8


async def test_a_service_that_hangs_keeps_no_run_waiting_and_no_process_from_stopping(
    database: str, checks: Checks
) -> None:
    checks.answers = [30.0] * 1_000
    entries = [pinged(checks)]
    async with (
        machine(database, entries=entries) as one,
        pings_of(one, checks, seconds=30) as pings,
    ):
        for _ in range(MOST_WAITING):
            await one.ended(await one.by_hand())
        async with asyncio.timeout(3):
            await pings.close(0.2)
    assert checks.actions() == []


async def test_pings_of_one_address_wait_for_each_other_and_of_others_do_not(
    database: str, checks: Checks
) -> None:
    checks.answers = [0.3]
    entries = [pinged(checks), pinged(checks, "two", name="other", job="work")]
    async with machine(database, entries=entries) as one, pings_of(one, checks):
        await one.ended(await one.by_hand())
        await one.ended(await one.by_hand("other"))
        await checks.until(4)
    assert checks.actions("one") == ["start", "success"]
    assert [heard.check for heard in checks.pings][:2] == ["two", "two"]


async def test_the_daemon_is_alive_only_while_all_is_well(checks: Checks) -> None:
    schedule = Schedule({}, ping=SecretStr(checks.url("daemon")))
    well = [True, False, True]
    pings = Pings(Pinger({checks.host}), lambda: schedule, pauses=())
    step = partial(pings.beat, lambda: bool(well) and well.pop(0), every=0.01)
    beat = asyncio.create_task(Upkeep().repeat("the daemon's ping", step))
    await checks.until(2)
    while well:
        await asyncio.sleep(0.01)
    beat.cancel()
    await pings.close(1)
    assert [(heard.check, heard.action, heard.rid) for heard in checks.pings] == [
        ("daemon", "success", None)
    ] * 2


@pytest.mark.parametrize(
    ("answer", "reason", "again"),
    [
        (404, "there is no check of this address", False),
        ("OK (not found)", "there is no check of this address", False),
        ("OK (rate limited)", "pinged too often", False),
        (429, "pinged too often", False),
        ("move", "answered 302: redirects are not followed", False),
        (400, "answered 400", False),
        (502, "answered 502", True),
        (1.0, "no answer within 0.2 s", True),
        ("drop", "was not told", True),
    ],
)
async def test_answers_are_understood(
    checks: Checks, answer: str | float, reason: str, again: bool
) -> None:
    checks.answers = [answer]
    pinger = Pinger({checks.host}, seconds=0.2)
    with pytest.raises(PingError) as refused:
        await pinger.ping(checks.url(), Signal.SUCCESS, RUN)
    await pinger.close()
    assert str(refused.value).startswith(reason)
    assert refused.value.again is again
    assert "secret" not in str(refused.value)
    assert checks.actions("two") == []


async def test_only_addresses_of_the_open_internet_and_listed_hosts_are_called(
    checks: Checks,
) -> None:
    asked: list[str] = []

    async def resolve(host: str, _port: int) -> list[str]:
        asked.append(host)
        return ["127.0.0.1"]

    pinger = Pinger((), resolve=resolve)
    with pytest.raises(PingError, match="its host is not in PING_HOSTS"):
        await pinger.ping(checks.url(), Signal.SUCCESS)
    with pytest.raises(PingError, match="not of the open internet"):
        await pinger.ping(f"https://rebound.example:{checks.port}/x", Signal.SUCCESS)
    await pinger.close()
    assert asked == ["rebound.example"]
    assert checks.calls == 0


async def test_nobody_there(checks: Checks) -> None:
    pinger = Pinger({"localhost:1"})
    with pytest.raises(PingError, match="cannot be reached") as refused:
        await pinger.ping("http://localhost:1/secret", Signal.SUCCESS)
    await pinger.close()
    assert "secret" not in str(refused.value)


@pytest.mark.parametrize(
    ("url", "signal", "run", "called"),
    [
        ("https://h.test/u", Signal.SUCCESS, None, "https://h.test/u"),
        ("https://h.test/u/", Signal.START, RUN, f"https://h.test/u/start?rid={RUN}"),
        (
            "https://h.test/key/slug?create=1",
            Signal.FAIL,
            RUN,
            f"https://h.test/key/slug/fail?create=1&rid={RUN}",
        ),
    ],
)
def test_addresses_of_the_protocol(url: str, signal: Signal, run: object, called: str) -> None:
    assert address(url, signal, RUN if run else None) == called
