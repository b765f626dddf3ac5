"""Does the server run wherever the data directory lies, and whoever starts it?"""

from __future__ import annotations

import json
import os
import pwd
import shutil
import stat
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from scheduler.db.embedded import EmbeddedError, EmbeddedServer
from scheduler.db.embedded.account import unprivileged
from scheduler.db.embedded.binaries import look_at, wheel
from tests.support.embedded import Other, as_root, ask, ended, postmaster, serving
from tests.support.postgres import chosen_binaries


@as_root
async def test_roots_closed_directory_stays_closed(made: Path, scratch: Path) -> None:
    closed = scratch / "closed"
    closed.mkdir(mode=0o700)
    more: dict[str, Any] = {"elsewhere": scratch / "elsewhere", "only": chosen_binaries()}
    server = EmbeddedServer(closed / "data", "first", **more)
    try:
        assert (await server.acquire()).created
        cluster = Path((closed / "data" / "postgres.location").read_text().strip()) / "postgres"
        assert cluster.parent.parent == scratch / "elsewhere"
        assert (cluster / "PG_VERSION").exists()
        assert not (closed / "data" / "postgres").exists()
        assert stat.S_IMODE(closed.stat().st_mode) == 0o700
        shutil.copytree(closed / "data", scratch / "copied")
        with pytest.raises(EmbeddedError, match="which another data directory is using"):
            await EmbeddedServer(scratch / "copied", "copy", **more).acquire()
        assert await ask(await server.acquire(), "SELECT 1") == 1
    finally:
        await server.release()
    again = EmbeddedServer(closed / "data", "second", **more)
    try:
        assert not (await again.acquire()).created
    finally:
        await again.release()


@as_root
async def test_binaries_that_the_servers_user_cannot_reach_are_copied(scratch: Path) -> None:
    unpacked = wheel()
    assert unpacked is not None
    closed = scratch / "closed"
    closed.mkdir(mode=0o700)
    package = unpacked.parent.parent
    shutil.copytree(package, closed / package.name)
    shutil.copytree(package.with_name(f"{package.name}.libs"), closed / f"{package.name}.libs")
    hidden = closed / package.name / "pginstall" / "bin"
    assert look_at(hidden, unprivileged()) is None
    async with serving(scratch / "data", only=hidden) as server:
        acquired = await server.acquire()
        version = (await ask(acquired, "SHOW server_version")).split()[0]
        copied = scratch / "data" / "binaries" / version
        program = Path(f"/proc/{postmaster(scratch / 'data')}/exe").readlink()
        assert program.is_relative_to(copied)
        before = copied.stat().st_ino
    async with serving(scratch / "data", only=hidden) as server:
        await server.acquire()
        assert copied.stat().st_ino == before, "copied once"


async def test_a_path_too_long_for_a_socket_gets_a_temporary_directory(
    data_dir: Path, scratch: Path
) -> None:
    long = scratch / ("x" * 120)
    data_dir.rename(long)
    async with serving(long) as server:
        acquired = await server.acquire()
        assert await ask(acquired, "SELECT 1") == 1
        directory = Path(json.loads((long / "owner.json").read_text())["socket_dir"])
        assert stat.S_IMODE(directory.stat().st_mode) == 0o700
        await server.release()
        assert not directory.exists()


@pytest.mark.parametrize("name", ["with space", 'it\'s 100% "so"', "comma, here", "größe"])
async def test_a_path_may_hold_any_character(data_dir: Path, scratch: Path, name: str) -> None:
    data_dir.rename(scratch / name)
    async with serving(scratch / name) as server:
        assert await ask(await server.acquire(), "SELECT 1") == 1


@as_root
async def test_a_user_without_rights_owns_a_server_of_his_own(
    scratch: Path, other: Callable[..., Other]
) -> None:
    nobody = pwd.getpwnam("nobody").pw_uid
    open_to_all = [sys.executable, "/usr/bin/python3", "/usr/local/bin/python3"]
    python = next((path for path in open_to_all if _can_run(path, nobody)), None)
    if python is None:
        pytest.skip("there is no Python that this user can run")
    options = ("--uid", str(nobody), "--python", python)
    refused = other(scratch / "data", "nobody", *options).said()
    assert "Permission denied" in refused["error"]
    assert "LAMPLIGHTER_DATA_DIR" in refused["error"]
    (scratch / "his").mkdir()
    os.chown(scratch / "his", nobody, nobody)
    owner = other(scratch / "his" / "data", "nobody", *options)
    assert owner.said()["created"]
    assert stat.S_IMODE((scratch / "his" / "data").stat().st_mode) == 0o700
    assert (scratch / "his" / "data" / "postgres").stat().st_uid == nobody
    gone = ended(postmaster(scratch / "his" / "data"))
    owner.process.kill()
    assert gone()
    async with serving(scratch / "his" / "data") as server:
        acquired = await server.acquire()
        assert acquired.dead_owner == "nobody"
        served_by = Path(f"/proc/{postmaster(scratch / 'his' / 'data')}").stat().st_uid
        assert served_by == nobody, "root runs a cluster as its owner"


def _can_run(path: str, uid: int) -> bool:
    try:
        return subprocess.run([path, "-S", "-c", ""], user=uid, check=False).returncode == 0
    except OSError:
        return False
