"""Is the state that of one clean run, at whichever message the connection to PostgreSQL is cut?"""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime

import pytest

from tests.faults.conftest import FULL, Report
from tests.faults.outside import Outside
from tests.faults.playing import (
    Harm,
    Place,
    Played,
    opening,
    place_of,
    play,
    quick,
    stocked,
)
from tests.faults.proxy import Message, Proxy
from tests.faults.shops import SHOPS, Shop
from tests.support.postgres import Postgres

AT_ONCE = 8
MOST_SHOWN = 5
LONG = 1_000
"""Messages."""
EVERY = os.environ.get("LAMPLIGHTER_FAULTS_EVERY") == "1"
FENCED = ">Q SELECT lamplighter.hold_lease"


@dataclass
class Tally:
    trials: int = 0
    messages: int = 0
    """Of one clean run of each."""
    questions: int = 0
    """Cuts that kept something from the server."""
    answers: int = 0
    """Cuts that lost what the server had said."""
    commits: int = 0
    """Of those, answers to COMMIT."""
    uncut: int = 0
    """The run had ended before: two runs differ by a few messages."""
    again: int = 0
    """Trials in which the run was attempted again."""
    seconds: list[float] = field(default_factory=list)
    wrong: list[str] = field(default_factory=list)

    def add(self, where: str, clean: Played, played: Played) -> None:
        self.trials += 1
        self.uncut += played.cuts == 0
        self.again += played.attempts > 1
        self.seconds.append(played.seconds)
        found = played.differs_from(clean)
        if found:
            shown = "\n    ".join(found[:MOST_SHOWN])
            self.wrong.append(f"{where}, {len(found)} differences:\n    {shown}")

    def count(self, message: Message) -> None:
        self.questions += message.what[0] == ">"
        self.answers += message.what[0] == "<"
        self.commits += message.what == "<C COMMIT"


def places(clean: Played, setup: int, *, whole: bool) -> Iterable[int]:
    """Every message; of those that open a connection, only some where others have had them all.

    Of long runs each day another share of all, or all with `LAMPLIGHTER_FAULTS_EVERY=1`.
    """
    share = 1 if EVERY else 1 + len(clean.messages) // LONG
    today = datetime.now(UTC).toordinal()
    for k, message in enumerate(clean.messages, start=1):
        used = message.place > setup or message.place in {1, setup // 2, setup}
        if (whole or used) and (k + today) % share == 0:
            yield k


def at(k: int) -> Harm:
    def harm(proxy: Proxy, _outside: Outside) -> None:
        proxy.cut_at = k

    return harm


def on(what: str, nth: int) -> Harm:
    def harm(proxy: Proxy, _outside: Outside) -> None:
        proxy.cut_on = (what, nth)

    return harm


async def cut_everywhere(postgres: Postgres, shop: Shop, tally: Tally, *, whole: bool) -> None:
    async with stocked(postgres, shop) as stock:
        async with place_of(postgres, stock) as place:
            clean = await a_clean_run(place)
            tally.messages += len(clean.messages)
            left = iter(list(places(clean, await opening(place), whole=whole)))

        async def work() -> None:
            async with place_of(postgres, stock) as place:
                for k in left:
                    await one_cut(place, clean, k, tally)

        async with asyncio.TaskGroup() as group:
            for _ in range(AT_ONCE):
                group.create_task(work())


async def one_cut(place: Place, clean: Played, k: int, tally: Tally) -> None:
    message = clean.messages[k - 1]
    where = f"{place.stock.shop.name} at {k} of {len(clean.messages)} ({message.what})"
    tally.count(message)
    try:
        tally.add(where, clean, await play(place, at(k)))
    except TimeoutError:
        tally.trials += 1
        tally.wrong.append(f"{where}: it did not end")


async def cut_at_commits(postgres: Postgres, shop: Shop, tally: Tally) -> None:
    """The answer to the last COMMIT is lost, and a COMMIT before it does not arrive."""
    async with stocked(postgres, shop) as stock, place_of(postgres, stock) as place:
        clean = await a_clean_run(place)
        commits = sum(one.what.startswith(FENCED) for one in clean.messages)
        assert commits > 1, shop.name
        for what, nth in (("<C COMMIT", commits), (FENCED, commits - 1)):
            played = await play(place, on(what, nth))
            assert played.cuts == 1, shop.name
            tally.add(f"{shop.name} at {what}", clean, played)


async def a_clean_run(place: Place) -> Played:
    clean = await play(place)
    assert clean.status == "succeeded", clean.error
    assert clean.attempts == 1
    assert clean.state != place.stock.state, "there was nothing to do"
    assert clean.wrong == []
    if FULL:
        # What two clean runs differ in would hide what a cut does.
        assert (await play(place)).differs_from(clean) == [], place.stock.shop.name
    return clean


@pytest.mark.timeout(3600 if FULL else 120)
async def test_a_cut_at_any_message_leaves_the_state_of_one_clean_run(
    postgres: Postgres, report: Report
) -> None:
    report.of(
        "a TCP proxy cuts the PostgreSQL connection at message k, for every k of a run of each job",
        0,
        "a retry ends in the state of a clean run, outside too",
    )
    tally = Tally()
    with quick():
        for number, shop in enumerate(SHOPS):
            if FULL:
                await cut_everywhere(postgres, shop, tally, whole=number == 0)
                sys.stderr.write(f"{shop.name}: {tally.trials} cuts\n")
            else:
                await cut_at_commits(postgres, shop, tally)
    report.trials = tally.trials
    report.figures["shops"] = str(len(SHOPS))
    if FULL:
        report.figures["messages of a clean run of each"] = f"{tally.messages:,}"
    report.figures["a client's message not passed on"] = f"{tally.questions:,}"
    report.figures["an answer lost"] = f"{tally.answers:,} (to COMMIT: {tally.commits})"
    report.figures["attempted again"] = f"{tally.again:,}"
    report.seconds("a trial", tally.seconds)
    shown(tally.wrong)


def shown(wrong: Sequence[str]) -> None:
    assert not wrong, f"{len(wrong)} broke:\n" + "\n".join(wrong[:20])
