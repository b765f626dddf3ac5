"""Does what a dead owner left behind stand in the way: a stale pid, an orphan, a backend?"""

# ruff: noqa: ASYNC220, ASYNC221, ASYNC222 - a test has its loop to itself

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
from pathlib import Path

import asyncpg
import pytest

from scheduler.db.embedded.binaries import choose
from scheduler.db.embedded.processes import serves
from tests.support.embedded import AS_ROOT, ask, ended, postmaster, serving
from tests.support.postgres import chosen_binaries


async def test_a_stale_pid_that_another_program_has_by_now_is_no_obstacle(
    data_dir: Path, bystander: subprocess.Popen[bytes]
) -> None:
    (data_dir / "postgres" / "postmaster.pid").write_text(f"{bystander.pid}\n{data_dir}\n")
    async with serving(data_dir) as server:
        assert await ask(await server.acquire(), "SELECT 1") == 1
    assert bystander.poll() is None


async def test_a_stale_pid_of_another_clusters_postgres_is_no_obstacle(
    data_dir: Path, made: Path, scratch: Path
) -> None:
    subprocess.run(["cp", "-a", made, scratch / "neighbour"], check=True)
    async with serving(scratch / "neighbour") as neighbour, serving(data_dir) as server:
        theirs = await neighbour.acquire()
        note = (scratch / "neighbour" / "postgres" / "postmaster.pid").read_text()
        (data_dir / "postgres" / "postmaster.pid").write_text(note)
        assert await ask(await server.acquire(), "SELECT 1") == 1
        assert await ask(theirs, "SELECT 1") == 1


async def test_an_orphan_in_the_cluster_is_stopped_before_the_start(data_dir: Path) -> None:
    cluster = data_dir / "postgres"
    status = cluster.stat()
    programs = choose(int((cluster / "PG_VERSION").read_text()), None, data_dir, chosen_binaries())
    orphan = subprocess.Popen(
        [
            *(str(programs.directory / "postgres"), "-D", str(cluster)),
            *("-c", f"unix_socket_directories={cluster}", "-c", "listen_addresses="),
        ],
        user=status.st_uid if AS_ROOT else None,
        group=status.st_gid if AS_ROOT else None,
        extra_groups=[] if AS_ROOT else None,
        stderr=subprocess.PIPE,
        cwd="/",
    )
    assert orphan.stderr is not None
    with orphan:
        for line in orphan.stderr:
            if b"ready to accept connections" in line:
                break
        async with serving(data_dir) as server:
            assert await ask(await server.acquire(), "SELECT 1") == 1
            assert postmaster(data_dir) != orphan.pid
        orphan.stderr.read()
    assert orphan.returncode == 0, "a fast shutdown, not a kill"


async def test_a_killed_server_is_restarted_and_its_busy_backend_ended(data_dir: Path) -> None:
    async with serving(data_dir) as server:
        acquired = await server.acquire()
        await ask(acquired, "CREATE TABLE kept AS SELECT 7 AS number")
        connection = await asyncpg.connect(acquired.dsn, timeout=10)
        backend = connection.get_server_pid()
        busy = asyncio.create_task(
            connection.fetchval("SELECT count(*) FROM generate_series(1, 1000000000000)")
        )
        state = "SELECT state FROM pg_stat_activity WHERE pid = $1"
        while await ask(acquired, state, backend) != "active":
            assert not busy.done()
        first, backend_gone = postmaster(data_dir), ended(backend)
        os.kill(first, signal.SIGKILL)
        os.waitid(os.P_PID, first, os.WEXITED | os.WNOWAIT)
        assert not serves(first, data_dir / "postgres"), "a zombie serves nobody"
        again = await server.acquire()
        assert backend_gone()
        assert again == acquired
        assert postmaster(data_dir) != first
        assert await ask(again, "SELECT number FROM kept") == 7
        with pytest.raises((asyncpg.PostgresConnectionError, ConnectionError)):
            await busy


async def test_processes_are_told_apart_with_ps_alone(
    data_dir: Path, bystander: subprocess.Popen[bytes]
) -> None:
    async with serving(data_dir) as server:
        await server.acquire()
        pid = postmaster(data_dir)
        for proc in (True, False):
            assert serves(pid, data_dir / "postgres", proc=proc)
            assert not serves(pid, data_dir, proc=proc)
            assert not serves(bystander.pid, data_dir / "postgres", proc=proc)
