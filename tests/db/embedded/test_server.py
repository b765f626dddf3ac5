"""Does the embedded PostgreSQL start, restart, keep its data and run with safe settings?"""

from __future__ import annotations

import asyncio
import stat
from pathlib import Path

import asyncpg

from tests.support.embedded import ask, ended, postmaster, serving


async def test_first_boot_makes_a_durable_server_that_only_its_socket_reaches(
    scratch: Path,
) -> None:
    data_dir = scratch / "not" / "yet" / "there"
    (scratch / "not" / "yet").mkdir(parents=True)
    async with serving(data_dir) as server:
        acquired = await server.acquire()
        assert (acquired.owned, acquired.created, acquired.dead_owner) == (True, True, None)
        for setting, value in {
            "listen_addresses": "",
            "fsync": "on",
            "synchronous_commit": "on",
            "full_page_writes": "on",
            "data_checksums": "on",
            "server_encoding": "UTF8",
            "TimeZone": "UTC",
            "jit": "off",
            "wal_level": "minimal",
        }.items():
            assert (setting, await ask(acquired, f"SHOW {setting}")) == (setting, value)
        assert await ask(acquired, "SELECT current_database() || '/' || current_user") == (
            "lamplighter/lamplighter"
        )
        assert await ask(acquired, "SELECT rolsuper FROM pg_roles WHERE rolname = current_user")
        cluster = (data_dir / "postgres").stat()
        assert stat.S_IMODE(cluster.st_mode) == 0o700
        assert cluster.st_uid != 0
        assert stat.S_IMODE((data_dir / "owner.json").stat().st_mode) == 0o600
        assert stat.S_IMODE((data_dir / "postgres.log").stat().st_mode) == 0o600
        assert Path(f"/proc/{postmaster(data_dir)}").stat().st_uid == cluster.st_uid
        gone = ended(postmaster(data_dir))
        await server.release()
        assert gone()
        assert not (data_dir / "owner.json").exists()
        assert not (data_dir / "postgres" / "postmaster.pid").exists()


async def test_a_warm_boot_keeps_what_was_written(data_dir: Path) -> None:
    async with serving(data_dir) as server:
        await ask(await server.acquire(), "CREATE TABLE kept AS SELECT 7 AS number")
    async with serving(data_dir) as server:
        acquired = await server.acquire()
        assert not acquired.created
        assert acquired.dead_owner is None
        assert await ask(acquired, "SELECT number FROM kept") == 7


async def test_acquiring_again_changes_nothing(data_dir: Path) -> None:
    async with serving(data_dir) as server:
        first = await server.acquire()
        before = postmaster(data_dir)
        again = await asyncio.gather(server.acquire(), server.acquire())
        assert list(again) == [first, first]
        assert postmaster(data_dir) == before


async def test_an_operators_setting_wins_over_ours(data_dir: Path) -> None:
    async with serving(data_dir) as server:
        await ask(await server.acquire(), "ALTER SYSTEM SET max_connections = 23")
    async with serving(data_dir) as server:
        assert await ask(await server.acquire(), "SHOW max_connections") == "23"


async def test_a_dropped_database_is_made_again(data_dir: Path) -> None:
    async with serving(data_dir) as server:
        acquired = await server.acquire()
        template = acquired.dsn.replace("/lamplighter?", "/template1?")
        connection = await asyncpg.connect(template, timeout=10)
        await connection.execute("DROP DATABASE lamplighter")
        await connection.close()
        assert await ask(await server.acquire(), "SELECT current_database()") == "lamplighter"


async def test_a_long_log_is_begun_anew(data_dir: Path) -> None:
    with (data_dir / "postgres.log").open("r+b") as log:
        log.truncate(11 << 20)
    async with serving(data_dir) as server:
        await server.acquire()
    assert (data_dir / "postgres.log").stat().st_size < 100_000
    assert (data_dir / "postgres.log.1").stat().st_size == 11 << 20


async def test_what_an_interrupted_initdb_left_is_no_obstacle(scratch: Path) -> None:
    (scratch / "data" / "postgres.new" / "base").mkdir(parents=True)
    (scratch / "data" / "postgres.new" / "PG_VERSION").write_text("18\n")
    async with serving(scratch / "data") as server:
        assert (await server.acquire()).created
