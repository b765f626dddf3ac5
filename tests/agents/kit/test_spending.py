from __future__ import annotations

import asyncio
import json
import os
import random
import signal
import subprocess
import sys
from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import pytest

from agents.kit.errors import CapReachedError
from agents.kit.llm import Question, open_model
from agents.kit.spending import (
    ALL,
    Look,
    Spending,
    cost_of,
    dollars,
    likely_tokens,
    most_tokens,
)
from scheduler.policy import NO_PRICE, AgentCaps, Price
from tests.agents.kit.conftest import FAST, MODEL, PRICE, Desk
from tests.agents.kit.test_llm import GOOD, Idea, says
from tests.support.jobs import NOW
from tests.support.openai_server import Says

ROOT = Path(__file__).parents[3]


def spending(desk: Desk, **caps: Any) -> Spending:
    return Spending(desk.context(caps=AgentCaps(**caps)))


async def test_a_reservation_is_replaced_by_what_it_was(desk: Desk) -> None:
    of_run, look = spending(desk), desk.look()

    held = await of_run.reserve(look, 1_000, 500)
    before = await desk.spent()
    await of_run.settle(held, 900, 100)

    assert before[ALL]["cost_usd"] == before[desk.project_id]["cost_usd"] == Decimal("0.006")
    assert (before[ALL]["calls"], before[ALL]["tokens_in"], before[ALL]["tokens_out"]) == (
        1,
        1_000,
        500,
    )
    for row in (await desk.spent()).values():
        assert row["cost_usd"] == Decimal("0.0019")
        assert (row["calls"], row["tokens_in"], row["tokens_out"]) == (1, 900, 100)
    assert look.usage.cost_usd == Decimal("0.0019")


async def test_what_nobody_settles_stays_counted(desk: Desk) -> None:
    await spending(desk).reserve(desk.look(), 1_000, 500)

    assert (await desk.spent())[ALL]["cost_usd"] == Decimal("0.006")


@pytest.mark.parametrize(
    ("caps", "cap", "words"),
    [
        (
            {"daily_cost_cap_usd": 0.02},
            "daily_cost_cap_usd",
            r"\$0.02 a day \(agents.daily_cost_cap_usd in config.yaml\) is reached: \$0.018 spent",
        ),
        (
            {"project_daily_cost_cap_usd": 0.02},
            "project_daily_cost_cap_usd",
            r"\$0.02 a day and project \(agents.project_daily_cost_cap_usd",
        ),
        (
            {"run_cost_cap_usd": 0.02},
            "run_cost_cap_usd",
            r"\$0.02 a batch \(agents.run_cost_cap_usd",
        ),
    ],
)
async def test_each_cap_holds_and_is_named(
    desk: Desk, caps: dict[str, float], cap: str, words: str
) -> None:
    of_run = spending(desk, **caps)
    for _ in range(3):
        await of_run.reserve(desk.look(), 1_000, 500)
    before = await desk.spent()

    with pytest.raises(CapReachedError, match=words) as raised:
        await of_run.reserve(desk.look(), 1_000, 500)

    assert raised.value.cap == cap
    assert await desk.spent() == before


async def test_a_request_that_just_fits_is_made(desk: Desk) -> None:
    of_run = spending(desk, daily_cost_cap_usd=0.006)

    await of_run.reserve(desk.look(), 1_000, 500)

    with pytest.raises(CapReachedError):
        await of_run.reserve(desk.look(), 1, 0)


async def test_a_cap_of_nothing_stops_what_costs_and_nothing_else(desk: Desk) -> None:
    nothing = AgentCaps(daily_cost_cap_usd=0, project_daily_cost_cap_usd=0, run_cost_cap_usd=0)

    await Spending(desk.context(caps=nothing, price=Price(input=0, output=0))).reserve(
        desk.look(), 1_000, 500
    )
    with pytest.raises(CapReachedError):
        await Spending(desk.context(caps=nothing)).reserve(desk.look(), 1, 0)


async def test_the_cap_of_a_project_leaves_the_others_theirs(desk: Desk) -> None:
    of_run = spending(desk, project_daily_cost_cap_usd=0.006)
    await of_run.reserve(desk.look(), 1_000, 500)

    await of_run.reserve(desk.look(project_id=uuid4()), 1_000, 500)

    with pytest.raises(CapReachedError, match="project"):
        await of_run.reserve(desk.look(), 1_000, 500)


async def test_the_next_day_begins_at_nothing(desk: Desk) -> None:
    caps = AgentCaps(daily_cost_cap_usd=0.006)
    await Spending(desk.context(caps=caps)).reserve(desk.look(), 1_000, 500)
    midnight = NOW.replace(hour=0, minute=0, second=0) + timedelta(days=1)

    late = Spending(desk.context(caps=caps, now=midnight - timedelta(microseconds=1)))
    with pytest.raises(CapReachedError):
        await late.reserve(desk.look(), 1_000, 500)
    await Spending(desk.context(caps=caps, now=midnight)).reserve(desk.look(), 1_000, 500)


async def test_a_model_without_a_price_counts_as_a_dear_one(desk: Desk) -> None:
    held = await spending(desk).reserve(Look(desk.project_id, "unheard-of", 10_000), 1_000, 100)

    assert held.cost == cost_of(NO_PRICE, 1_000, 100) == Decimal("0.0225")


async def test_many_projects_at_a_time_never_pass_the_cap(desk: Desk) -> None:
    dice = random.Random(7)
    projects = [uuid4() for _ in range(5)]
    cap, project_cap = Decimal("0.2"), Decimal("0.06")
    caps = AgentCaps(daily_cost_cap_usd=float(cap), project_daily_cost_cap_usd=float(project_cap))
    # Each run has its own memory, as other processes have.
    runs = [Spending(desk.context(caps=caps)) for _ in range(4)]
    looks = [Look(dice.choice(projects), MODEL, 10_000_000) for _ in range(120)]
    highest = Decimal(0)
    refused: list[str] = []

    async def request(look: Look, of_run: Spending) -> None:
        nonlocal highest
        try:
            held = await of_run.reserve(look, 1_000, 500)
        except CapReachedError as error:
            refused.append(error.cap)
            return
        rows = await desk.spent()
        highest = max(highest, rows[ALL]["cost_usd"])
        assert rows[ALL]["cost_usd"] <= cap
        assert all(row["cost_usd"] <= project_cap for key, row in rows.items() if key != ALL)
        await of_run.settle(held, dice.randrange(1_000), dice.randrange(500))

    await asyncio.gather(*(request(look, dice.choice(runs)) for look in looks))

    rows = await desk.spent()
    used = sum((look.usage.cost_usd for look in looks), Decimal(0))
    assert rows[ALL]["cost_usd"] == used
    by_project: dict[UUID, Decimal] = {}
    for look in looks:
        by_project.setdefault(look.project_id, Decimal(0))
        by_project[look.project_id] += look.usage.cost_usd
    assert {key: row["cost_usd"] for key, row in rows.items() if key != ALL} == by_project
    assert set(refused) <= {"daily_cost_cap_usd", "project_daily_cost_cap_usd"}
    assert refused
    assert highest > cap / 4


KILLED = """
import asyncio, sys
from uuid import UUID
from agents.kit.spending import Look, Spending
from dataclasses import replace
from scheduler.policy import AgentCaps, AgentPolicy, Price
from tests.support.jobs import product

async def main():
    async with product(sys.argv[1]) as shop:
        policy = AgentPolicy(caps=AgentCaps(daily_cost_cap_usd=1),
                             prices={"m": Price(input=1, output=10)})
        ctx = replace(shop.context(), policy=policy)
        spending = Spending(ctx)
        async def one(number):
            while True:
                look = Look(UUID(int=1 + number % 3), "m", 10**9)
                held = await spending.reserve(look, 100, 50)
                sys.stdout.write("reserved\\n"); sys.stdout.flush()
                await asyncio.sleep(0.002)
                await spending.settle(held, 90, 40)
                sys.stdout.write("settled\\n"); sys.stdout.flush()
        await asyncio.gather(*(one(number) for number in range(6)))

asyncio.run(main())
"""


async def test_processes_that_are_killed_leave_too_much_counted_and_never_too_little(
    database: str, desk: Desk
) -> None:
    command = [sys.executable, "-c", KILLED, database]
    reserved = settled = 0
    for _ in range(3):
        process = subprocess.Popen(  # noqa: ASYNC220 - its output is read at the end
            command, stdout=subprocess.PIPE, cwd=ROOT, env={**os.environ, "PYTHONPATH": str(ROOT)}
        )
        assert process.stdout is not None
        first = await asyncio.to_thread(process.stdout.readline)
        assert first == b"reserved\n"
        await asyncio.sleep(0.15)
        process.send_signal(signal.SIGKILL)
        rest = (await asyncio.to_thread(process.communicate))[0].split()
        reserved += 1 + rest.count(b"reserved")
        settled += rest.count(b"settled")

    rows = await desk.spent()
    really = settled * cost_of(PRICE, 90, 40)
    at_most = settled * cost_of(PRICE, 90, 40) + 3 * 6 * 2 * cost_of(PRICE, 100, 50)
    assert settled > 10
    assert really < rows[ALL]["cost_usd"] <= at_most
    assert rows[ALL]["calls"] >= reserved
    others = [row for key, row in rows.items() if key != ALL]
    assert sum(row["cost_usd"] for row in others) == rows[ALL]["cost_usd"]


async def test_health_says_that_the_day_is_spent_until_it_is_over(desk: Desk) -> None:
    desk.double.says = says(GOOD)
    caps = AgentCaps(daily_cost_cap_usd=0.012)
    question = Question("test", "system", "user", 1_000)

    async def run(**context: Any) -> None:
        async with open_model(desk.context(**context), FAST) as model:
            for _ in range(20):
                await model.ask(question, Idea, desk.look())

    with pytest.raises(CapReachedError):
        await run(caps=AgentCaps(run_cost_cap_usd=0.012))
    assert await desk.conditions() == {}

    with pytest.raises(CapReachedError):
        await run(caps=caps)
    said = {"agents": "the daily cost cap of $0.012 is reached until 00:00 UTC"}
    assert await desk.conditions() == said
    async with open_model(desk.context(caps=caps, now=NOW + timedelta(hours=6))):
        assert await desk.conditions() == said

    async with open_model(desk.context(caps=AgentCaps(daily_cost_cap_usd=3))):
        assert await desk.conditions() == {}
    with pytest.raises(CapReachedError):
        await run(caps=caps)
    async with open_model(desk.context(caps=caps, now=NOW + timedelta(days=1))):
        assert await desk.conditions() == {}


async def test_a_look_has_so_many_tokens_and_no_more(desk: Desk) -> None:
    used = {"prompt_tokens": 500, "completion_tokens": 300}
    desk.double.says = says(Says(json.dumps(GOOD), usage=used))
    question = Question("test", "system", "user " * 60, 1_000)
    look = desk.look(max_tokens=2_000)

    async with open_model(desk.context()) as model:
        await model.ask(question, Idea, look)
        await model.ask(question, Idea, look)
        with pytest.raises(CapReachedError, match="cap of 2000 tokens a look") as raised:
            await model.ask(question, Idea, look)

    assert raised.value.cap == "max_tokens_per_run"
    asked = [request.body["max_completion_tokens"] for request in desk.double.asked]
    assert asked[0] == 1_000
    assert len(asked) == 2
    assert asked[1] < 1_000
    assert look.usage.tokens_in + look.usage.tokens_out == 800 * len(asked)


@pytest.mark.parametrize(
    ("amount", "text"),
    [(5, "$5"), (5.0, "$5"), (0.25, "$0.25"), (100_000, "$100000"), (0.000001, "$0.000001")],
)
def test_amounts_read_as_people_write_them(amount: float, text: str) -> None:
    assert dollars(amount) == text


def test_tokens_are_guessed_on_the_dear_side() -> None:
    assert most_tokens("") == 0
    assert most_tokens("abcd") == 2
    assert most_tokens("日本") == 6
    assert likely_tokens("abcd") == 2
    assert likely_tokens("\u706f\u4e0b abc") == 4
    assert cost_of(Price(input=0.05, output=0.4), 1, 0) == Decimal("0.000001")
    assert cost_of(Price(input=0.25, output=2), 1_000_000, 1_000_000) == Decimal("2.25")
