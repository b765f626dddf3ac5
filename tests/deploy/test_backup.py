"""Does what docs/backup.md says bring the embedded database back, also on another major version?"""

from __future__ import annotations

import asyncio
import re
import shlex
import sys
from pathlib import Path
from typing import Any

import asyncpg
import pytest

from scheduler.db.embedded.binaries import debian, wheel
from scheduler.db.migrations import migrate
from scheduler.db.product import lay_product_tables
from tests.support.daemon import Output, command, environment
from tests.support.embedded import serving

pytestmark = pytest.mark.timeout(120)

DOCUMENT = Path(__file__).resolve().parents[2] / "docs" / "backup.md"


def documented(program: str) -> tuple[str, ...]:
    """The arguments of `lamplighter postgres` as docs/backup.md prints them for that program."""
    [line] = re.findall(
        rf"^(?:\w+=\S+ )?lamplighter postgres ({program} .*)$", DOCUMENT.read_text(), re.MULTILINE
    )
    return tuple(shlex.split(line))


DUMP, RESTORE, NEW_KEYS = map(documented, ("pg_dump", "pg_restore", "psql"))
CONTENT = """
    SELECT (SELECT string_agg(u::text, ',' ORDER BY email) FROM app_users u),
           (SELECT string_agg(m.id, ',' ORDER BY m.id) FROM lamplighter.migrations m)
"""
FOREIGN = [path for path in debian() if path.parent.name != "18"]


async def fill(dsn: str) -> Any:
    connection = await asyncpg.connect(dsn)
    try:
        await migrate(connection)
        await lay_product_tables(connection)
        await connection.execute(
            "INSERT INTO app_users (email, credits_remaining)"
            " SELECT 'user' || n || '@example.com', n FROM generate_series(1, 500) AS n"
        )
        return await connection.fetchrow(CONTENT)
    finally:
        await connection.close()


async def look(dsn: str) -> Any:
    connection = await asyncpg.connect(dsn)
    try:
        return await connection.fetchrow(CONTENT)
    finally:
        await connection.close()


async def postgres(data: Path, *arguments: str) -> Output:
    return await command("postgres", *arguments, cwd=data.parent, LAMPLIGHTER_DATA_DIR=str(data))


async def test_a_dump_of_a_running_server_is_restored_into_a_new_data_directory(
    scratch: Path,
) -> None:
    data, new = scratch / "data", scratch / "data.new"
    async with serving(data, only=None) as server:
        before = await fill((await server.acquire()).dsn)
        dumped = await postgres(data, *DUMP)
        assert dumped.code == 0, dumped.err

    restored = await postgres(new, *RESTORE)
    assert restored.code == 0, restored.err
    async with serving(new, only=None) as server:
        assert await look((await server.acquire()).dsn) == before


async def test_a_dump_passes_through_pipes(scratch: Path) -> None:
    """As from a container and into one."""
    data, new = scratch / "data", scratch / "data.new"
    async with serving(data, only=None) as server:
        before = await fill((await server.acquire()).dsn)
    program = (sys.executable, "-m", "scheduler", "postgres")
    dump = [word for word in DUMP if not word.startswith("--file")]
    nothing = asyncio.subprocess.DEVNULL
    with (scratch / "piped").open("w+b") as file:
        for words, place, stdin, stdout in (
            (dump, data, nothing, file),
            (RESTORE[:-1], new, file, nothing),
        ):
            file.seek(0)
            process = await asyncio.create_subprocess_exec(
                *program,
                *words,
                env=environment(LAMPLIGHTER_DATA_DIR=str(place)),
                cwd=scratch,
                stdin=stdin,
                stdout=stdout,
            )
            assert await process.wait() == 0
    async with serving(new, only=None) as server:
        assert await look((await server.acquire()).dsn) == before


async def test_a_copy_of_a_stopped_data_directory_is_a_backup(scratch: Path) -> None:
    data, copied = scratch / "data", scratch / "copied"
    async with serving(data, only=None) as server:
        before = await fill((await server.acquire()).dsn)
    copying = await asyncio.create_subprocess_exec("cp", "-a", data, copied)
    assert await copying.wait() == 0
    async with serving(copied, only=None) as server:
        assert await look((await server.acquire()).dsn) == before


async def test_a_program_ends_as_it_ends_by_itself(scratch: Path) -> None:
    data = scratch / "data"
    said = await postgres(data, "psql", "-At", "--command", "SELECT 6 * 7")
    assert (said.code, said.out) == (0, "42\n")
    wrong = await postgres(data, "psql", "--command", "SELECT nothing")
    assert wrong.code == 1
    assert 'column "nothing" does not exist' in wrong.err
    assert (await postgres(data, "initdb")).code == 2


async def test_a_server_of_ones_own_is_left_to_its_own_programs(
    database: str, tmp_path: Path
) -> None:
    said = await command("postgres", "psql", cwd=tmp_path, DATABASE_URL=database)
    assert said.code == 1
    assert "use the programs that came with it" in said.err


@pytest.mark.skipif(not (FOREIGN and wheel()), reason="no second PostgreSQL on this machine")
async def test_the_data_moves_to_a_newer_major_version(scratch: Path) -> None:
    data, new = scratch / "data", scratch / "data.new"
    async with serving(data, only=FOREIGN[0]) as server:
        before = await fill((await server.acquire()).dsn)

    version = "SELECT current_setting('server_version_num')::int / 10000"
    old = await postgres(data, "psql", "-At", "--command", version)
    assert old.out.strip() == FOREIGN[0].parent.name, "it goes on with what made the data"
    assert (await postgres(data, *DUMP)).code == 0
    restored = await postgres(new, *RESTORE)
    assert restored.code == 0, restored.err

    assert (await postgres(new, "psql", "-At", "--command", version)).out.strip() == "18"
    assert (await postgres(new, *NEW_KEYS)).code == 0
    key = "SELECT substr(lamplighter.new_id()::text, 15, 1)"
    assert (await postgres(new, "psql", "-At", "--command", key)).out == "7\n", "not by time"
    async with serving(new, only=None) as server:
        assert await look((await server.acquire()).dsn) == before
