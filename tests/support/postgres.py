"""How do tests get a real PostgreSQL: one server a session, a fresh database a test."""

from __future__ import annotations

import itertools
import os
import shutil
import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, TypeAlias
from urllib.parse import urlsplit, urlunsplit

import asyncpg

from scheduler.db.embedded import EmbeddedServer

Build: TypeAlias = Callable[["asyncpg.Connection[Any]"], Awaitable[object]]

# Nothing of a test has to survive a crash of the machine.
FAST = {
    "fsync": "off",
    "synchronous_commit": "off",
    "full_page_writes": "off",
    "autovacuum": "off",
    "max_connections": "100",
}
MEMORY = Path("/dev/shm")  # noqa: S108 - every test makes a directory of its own in it
ENOUGH_MEMORY = 2 << 30


class Postgres:
    """A running server of the tests; every database on it is the tests' own."""

    def __init__(self, dsn: str) -> None:
        self._dsn = dsn
        self._numbers = itertools.count(1)
        self._templates: set[str] = set()

    def dsn(self, database: str) -> str:
        return urlunsplit(urlsplit(self._dsn)._replace(path=f"/{database}"))

    async def connect(self, database: str) -> asyncpg.Connection[Any]:
        return await asyncpg.connect(self.dsn(database), timeout=10, command_timeout=50)

    async def create(self, template: str = "template0") -> str:
        """Make a fresh database out of a template; gives its name."""
        name = f"test_{next(self._numbers)}"
        await self._administer(f'CREATE DATABASE "{name}" TEMPLATE "{template}"')
        return name

    async def drop(self, database: str) -> None:
        """Drop a database, whoever is still connected to it."""
        await self._administer(f'DROP DATABASE IF EXISTS "{database}" WITH (FORCE)')

    async def template(self, name: str, build: Build) -> str:
        """Build a template database when it is first asked for; gives its name."""
        if name not in self._templates:
            await self.drop(name)
            await self._administer(f'CREATE DATABASE "{name}" TEMPLATE template0')
            connection = await self.connect(name)
            try:
                await build(connection)
            finally:
                await connection.close()
            self._templates.add(name)
        return name

    async def _administer(self, statement: str) -> None:
        connection = await self.connect("template1")
        try:
            await connection.execute(statement)
        finally:
            await connection.close()


def chosen_binaries() -> Path | None:
    """`LAMPLIGHTER_TEST_POSTGRES`, a directory with `initdb` and `postgres`; None: as in life."""
    chosen = os.environ.get("LAMPLIGHTER_TEST_POSTGRES")
    return Path(chosen) if chosen else None


def scratch_parent() -> Path:
    """Memory where there is plenty, else the usual place; every user may pass through both."""
    if MEMORY.is_dir() and os.access(MEMORY, os.W_OK):
        status = os.statvfs(MEMORY)
        if status.f_bavail * status.f_frsize >= ENOUGH_MEMORY:
            return MEMORY
    return Path(tempfile.gettempdir())


def make_scratch(purpose: str) -> Path:
    """A fresh directory that every user may pass through (pytest's own is closed to others)."""
    path = Path(tempfile.mkdtemp(prefix=f"lamplighter-{purpose}-", dir=scratch_parent()))
    path.chmod(0o711)
    return path


@asynccontextmanager
async def running_postgres() -> AsyncIterator[Postgres]:
    """Start a server in a directory of its own and stop it at the end."""
    scratch = make_scratch("tests")
    server = EmbeddedServer(scratch / "data", "tests", settings=FAST, only=chosen_binaries())
    try:
        yield Postgres((await server.acquire()).dsn)
    finally:
        await server.release()
        shutil.rmtree(scratch)
