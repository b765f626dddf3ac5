"""Does a part that raises go on, and is it named for as long as it fails?"""

from __future__ import annotations

import asyncio

import pytest

from scheduler.errors import DatabaseAwayError, DatabaseFullError
from scheduler.watching import upkeep as upkeep_module
from scheduler.watching.upkeep import Upkeep


@pytest.fixture(autouse=True)
def _no_pause(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(upkeep_module, "PAUSE", 0.0)


async def until_said(upkeep: Upkeep, words: str) -> None:
    while words not in "".join(upkeep.in_words(database_away=False)):
        await asyncio.sleep(0)


async def test_a_step_that_raises_is_repeated_and_named_until_it_goes_well() -> None:
    upkeep, steps, broken = Upkeep(), 0, True

    async def step() -> None:
        nonlocal steps
        steps += 1
        await asyncio.sleep(0)
        if broken:
            raise ArithmeticError("a secret")

    task = asyncio.create_task(upkeep.repeat("the part", step))
    await until_said(upkeep, "the part has failed for 0 s: ArithmeticError")
    assert "secret" not in str(upkeep.in_words(database_away=False))
    before, broken = steps, False
    while upkeep.in_words(database_away=False):
        await asyncio.sleep(0)
    assert steps > before
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


async def test_a_stray_cancellation_ends_no_part() -> None:
    upkeep = Upkeep()

    async def step() -> None:
        await asyncio.sleep(0)
        raise asyncio.CancelledError

    task = asyncio.create_task(upkeep.repeat("the part", step))
    await until_said(upkeep, "CancelledError")
    assert not task.done()
    task.cancel()
    await asyncio.wait({task})


async def test_a_swallowed_cancellation_ends_it_all_the_same() -> None:
    upkeep, waiting = Upkeep(), asyncio.Event()

    async def step() -> None:
        waiting.set()
        try:
            await asyncio.sleep(60)
        except asyncio.CancelledError:
            raise TimeoutError from None

    task = asyncio.create_task(upkeep.repeat("the part", step))
    await waiting.wait()
    task.cancel()
    await asyncio.wait({task}, timeout=5)
    assert task.done()


def test_what_fails_for_want_of_a_database_is_named_only_where_it_is_there() -> None:
    upkeep = Upkeep()
    with upkeep.doing("one"):
        raise DatabaseAwayError("away: host=10.0.0.1")
    with upkeep.doing("two"):
        raise DatabaseFullError("could not extend file")
    said = upkeep.in_words(database_away=False)
    assert said == [
        "one has failed for 0 s: the database does not answer",
        "two has failed for 0 s: the disk of the database is full",
    ]
    assert upkeep.in_words(database_away=True) == []


def test_what_goes_well_in_part_does_not_make_the_whole_well() -> None:
    upkeep = Upkeep()
    with upkeep.doing("part"):
        raise ValueError
    with upkeep.noting("part"):
        pass
    assert len(upkeep.in_words(database_away=False)) == 1
    with upkeep.doing("part"):
        pass
    assert upkeep.in_words(database_away=False) == []


def test_only_exceptions_end_in_it() -> None:
    upkeep = Upkeep()
    with pytest.raises(KeyboardInterrupt), upkeep.doing("part"):
        raise KeyboardInterrupt
    assert upkeep.in_words(database_away=False) == []
