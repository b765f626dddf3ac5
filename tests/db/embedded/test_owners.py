"""Who owns the server, and who is its next owner when the owner releases it or dies?"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest

from scheduler.db.embedded.child import LAUNCHER
from tests.support.embedded import Other, ask, ended, postmaster, serving


async def test_another_process_attaches_and_leaves_the_server_alone(
    data_dir: Path, other: Callable[..., Other]
) -> None:
    async with serving(data_dir) as server:
        acquired = await server.acquire()
        attached = other(data_dir, "attached")
        assert attached.said() == {
            "dsn": acquired.dsn,
            "owned": False,
            "created": False,
            "dead_owner": None,
        }
        assert attached.end() == 0
        assert await ask(acquired, "SELECT 1") == 1


async def test_of_two_that_start_at_once_one_makes_the_cluster(
    scratch: Path, other: Callable[..., Other]
) -> None:
    both = [other(scratch / "data", f"replica-{number}") for number in (1, 2)]
    said = [process.said() for process in both]
    assert all("error" not in answer for answer in said), said
    assert sorted((answer["owned"], answer["created"]) for answer in said) == [
        (False, False),
        (True, True),
    ]
    assert len({answer["dsn"] for answer in said}) == 1


@pytest.mark.parametrize("options", [(), ("--watchdog",)])
async def test_a_killed_owner_takes_its_server_along_and_is_succeeded(
    data_dir: Path, other: Callable[..., Other], options: tuple[str, ...]
) -> None:
    owner = other(data_dir, "first", *options)
    assert owner.said()["owned"]
    async with serving(data_dir, "second") as server:
        attached = await server.acquire()
        assert not attached.owned
        await ask(attached, "CREATE TABLE kept AS SELECT 7 AS number")
        gone = ended(postmaster(data_dir))
        owner.process.kill()
        assert gone()
        succeeded = await server.acquire()
        assert (succeeded.owned, succeeded.created, succeeded.dead_owner) == (True, False, "first")
        assert await ask(succeeded, "SELECT number FROM kept") == 7
        assert (await server.acquire()).dead_owner is None, "told once"


async def test_an_owner_that_released_is_no_dead_owner(
    data_dir: Path, other: Callable[..., Other]
) -> None:
    owner = other(data_dir, "first")
    assert owner.said()["owned"]
    async with serving(data_dir, "second") as server:
        assert not (await server.acquire()).owned
        assert owner.end() == 0
        acquired = await server.acquire()
        assert (acquired.owned, acquired.dead_owner) == (True, None)


async def test_the_watchdog_ends_with_a_released_server(data_dir: Path) -> None:
    async with serving(data_dir, watchdog=True) as server:
        await server.acquire()
        watchdogs = [
            int(process.parent.name)
            for process in Path("/proc").glob("[0-9]*/cmdline")
            if _arguments(process) >= {os.fsencode(LAUNCHER), os.fsencode(data_dir / "postgres")}
        ]
        assert len(watchdogs) == 1
        gone = ended(watchdogs[0])
        await server.release()
        assert gone()


def _arguments(cmdline: Path) -> set[bytes]:
    with suppress(OSError):
        return set(cmdline.read_bytes().split(b"\0"))
    return set()


def test_a_program_whose_parent_is_dead_already_does_not_start() -> None:
    started = subprocess.run(
        [sys.executable, "-I", "-S", LAUNCHER, "1", "2", "-", "-", "-", "-", "/", "/bin/echo", "x"],
        capture_output=True,
        check=True,
    )
    assert started.stdout == b""
