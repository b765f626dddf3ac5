"""Servers of mail, newsletters, GitHub and models that fail at random: is all done in the end?"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from time import monotonic

import pytest

from scheduler.db.runs import Run
from tests.faults.conftest import FULL, Report, trials
from tests.faults.invariants import violations_on
from tests.faults.outside import only_model
from tests.faults.playing import Place, entry_of, jobs, place_of, quick, stocked
from tests.faults.shops import (
    SHOPS,
    SIX,
    Shop,
    shown_repository,
)
from tests.faults.spoiler import spoiler_before
from tests.faults.state import State, differences, read_rows, timeless
from tests.support.machine import Machine, ManualTime, machine
from tests.support.postgres import Postgres

TIMEOUT = 8.0
"""Seconds of one attempt: shorter than what clients wait for a server that hangs. Of the last five
agents and syncs begin nothing new."""
PLENTY = 300.0
"""The same once all is well."""
TRIES = trials(2, 1)
SLACK = 3.0 if FULL else 30.0
BAD_RUNS = trials(3, 1)
GOOD_RUNS = trials(6, 3)
AT_ONCE = 6
STATUSES = {"succeeded", "failed", "timed_out"}
"""How a run may end whose servers are at fault: neither abandoned nor without an end."""

HOW_OFTEN = frozenset({"attempts", "last_attempt_at", "next_retry_at", "error_code"})
BY_OTHER_WAYS: Mapping[str, frozenset[str] | None] = {
    # One row for each run, or each look, that went wrong.
    "public.newsletter_sync_log": None,
    "lamplighter.agent_units": None,
    "lamplighter.agent_executions": None,
    "lamplighter.github_analyses": None,
    "lamplighter.model_spending": None,
    # What is known of a server, not of the work.
    "lamplighter.github_etags": None,
    "lamplighter.newsletter_providers": None,
    "lamplighter.watermarks": None,
    "public.email_queue": HOW_OFTEN,
    "public.email_logs": frozenset({"smtp_response"}),
    "lamplighter.suggestion_events": frozenset({"detail", "id", "seq"}),
    # Which of two came first says its number there.
    "lamplighter.newsletter_contacts": frozenset({"remote_id"}),
    "public.newsletter_subscribers": frozenset({"mailerlite_id", "mailchimp_id", "brevo_id"}),
    "lamplighter.suggestions": frozenset({"seq", "unit_id", "published_url"}),
}
"""What says how it came about, and not what has come about."""


def by_name(name: str) -> Shop:
    return next(shop for shop in SHOPS if shop.name == name)


@dataclass(frozen=True)
class Service:
    name: str
    shops: Sequence[Shop]
    step: timedelta
    """Between two fires."""


SERVICES = (
    Service("SMTP", [by_name("process-email-queue")], timedelta(hours=1)),
    Service(
        "provider",
        [by_name(f"sync-newsletter ({name})") for name in ("MailerLite", "Mailchimp", "Brevo")],
        timedelta(days=1),
    ),
    Service(
        "GitHub",
        [by_name("orchestration/github-sync"), by_name("orchestration/publish (by itself)")],
        timedelta(hours=1),
    ),
    Service(
        "model",
        [Shop("batch", "orchestration/batch", shown_repository, only_model, SIX, SIX)],
        timedelta(hours=6),
    ),
)


@dataclass
class Tally:
    seconds: list[float] = field(default_factory=list)
    """Of one attempt of a run with a bad server ..."""
    well: list[float] = field(default_factory=list)
    """... and with one that is well."""
    statuses: Counter[str] = field(default_factory=Counter)
    spoiled: Counter[str] = field(default_factory=Counter)
    repeated: int = 0
    wrong: list[str] = field(default_factory=list)


async def fire(one: Machine, now: ManualTime, shop: Shop, seconds: list[float]) -> Run:
    began = monotonic()
    run = await one.ended(await one.on_clock(now.moment, shop.job))
    seconds.append((monotonic() - began) / max(run.attempt, 1))
    return run


@dataclass(frozen=True)
class Ended:
    state: State
    told: object


async def rounds(place: Place, service: Service, seed: int | None, tally: Tally) -> Ended:
    """Fires with a server that misbehaves (none without a seed), then with one that is well."""
    shop = place.stock.shop
    await place.clear()
    async with shop.outside() as outside, spoiler_before(outside.port, seed or 0) as spoiler:
        outside.moved_to(spoiler.port)
        now = ManualTime(shop.now)

        @asynccontextmanager
        async def a_daemon(timeout: float) -> AsyncIterator[Machine]:
            entry = entry_of(place.stock, tries=TRIES, timeout=timedelta(seconds=timeout))
            async with machine(
                place.dsn,
                types={shop.job: jobs()[shop.job]},
                entries=[entry],
                now=now,
                services=outside.services,
                agents=shop.agents,
            ) as one:
                yield one

        if seed is not None:
            spoiler.chance = (0.1, 0.3, 0.7, 1.0)[seed % 4]
            async with a_daemon(TIMEOUT) as one:
                for _ in range(BAD_RUNS):
                    run = await fire(one, now, shop, tally.seconds)
                    tally.statuses[run.status] += 1
                    if run.status not in STATUSES:
                        tally.wrong.append(f"{shop.name}, {seed}: {run.status} {run.error_message}")
                    now.move(seconds=service.step.total_seconds())
            spoiler.chance = 0
        async with a_daemon(PLENTY) as one:
            for _ in range(GOOD_RUNS):
                run = await fire(one, now, shop, tally.well)
                if run.status != "succeeded":
                    tally.wrong.append(
                        f"{shop.name}, {seed}: all is well, and {run.status}: {run.error_message}"
                    )
                now.move(seconds=service.step.total_seconds())
        tally.spoiled.update(spoiler.counts)
        broken = [*await violations_on(place.past), *outside.doubled()]
        tally.wrong += [f"{shop.name}, {seed}: {what}" for what in broken]
        tally.repeated += getattr(outside, "repeated", 0)
        state = (await read_rows(place.past)).masked(place.stock.known)
        return Ended(timeless(state, BY_OTHER_WAYS), outside.told())


async def unreliable(
    postgres: Postgres, service: Service, shop: Shop, seeds: Iterator[int], tally: Tally
) -> None:
    async with stocked(postgres, shop) as stock:
        async with place_of(postgres, stock) as place:
            clean = await rounds(place, service, None, tally)

        async def work() -> None:
            async with place_of(postgres, stock) as place:
                for seed in seeds:
                    ended = await rounds(place, service, seed, tally)
                    found = differences(clean.state, ended.state)
                    if ended.told != clean.told:
                        found.append(f"outside: {ended.told} and not {clean.told}")
                    if found:
                        shown = "\n    ".join(found[:6])
                        tally.wrong.append(f"{shop.name}, seed {seed}:\n    {shown}")

        async with asyncio.TaskGroup() as group:
            for _ in range(AT_ONCE if FULL else 1):
                group.create_task(work())


@pytest.mark.timeout(3600 if FULL else 120)
@pytest.mark.parametrize("service", SERVICES, ids=lambda service: service.name)
async def test_a_server_that_cannot_be_relied_on(
    postgres: Postgres, report: Report, service: Service
) -> None:
    count = trials(50, 1)
    report.of(
        f"{service.name}: servers that hang, reset, answer garbage, half, or lose their answer",
        count,
        "each attempt ends within its time with a status that says so; once the server is well,"
        " the state is that of clean runs",
    )
    tally = Tally()
    shops = service.shops if FULL else service.shops[:1]
    with quick():
        for number, shop in enumerate(shops):
            seeds = iter(range(1, 1 + count)[number :: len(shops)])
            await unreliable(postgres, service, shop, seeds, tally)
    report.seconds("an attempt", tally.seconds)
    report.figures["runs with a bad server"] = ", ".join(
        f"{n} {status}" for status, n in sorted(tally.statuses.items())
    )
    report.figures["spoiled"] = ", ".join(
        f"{kind} {n}" for kind, n in sorted(tally.spoiled.items()) if kind != "pass"
    )
    if service.name == "SMTP":
        report.figures["letters that came again, same Message-ID"] = str(tally.repeated)
    assert not tally.wrong, f"{len(tally.wrong)} broke:\n" + "\n".join(tally.wrong[:15])
    assert max(tally.seconds) < TIMEOUT + SLACK
    assert tally.spoiled.total() > tally.spoiled["pass"], "nothing was spoiled"
