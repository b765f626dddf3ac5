"""What every test may ask for: a PostgreSQL server and fresh databases on it."""

from __future__ import annotations

import shutil
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
import pytest_asyncio

from tests.support import databases
from tests.support.postgres import Postgres, make_scratch, running_postgres


@pytest.fixture
def scratch() -> Iterator[Path]:
    """A directory for data directories: every user may pass through it.

    `tmp_path` is closed to others, so root's PostgreSQL would live outside it and stay there.
    """
    path = make_scratch("scratch")
    yield path
    shutil.rmtree(path)


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def postgres() -> AsyncIterator[Postgres]:
    """One server for the session (one for each xdist worker)."""
    async with running_postgres() as server:
        yield server


@pytest.fixture
async def empty_database(postgres: Postgres) -> AsyncIterator[str]:
    """The DSN of a fresh database with nothing in it."""
    name = await postgres.create()
    yield postgres.dsn(name)
    await postgres.drop(name)


@pytest.fixture
async def database(postgres: Postgres) -> AsyncIterator[str]:
    """The DSN of a fresh database: schema lamplighter, product tables of variant A, no rows."""
    name = await postgres.create(await postgres.template("product_a", databases.product_a))
    yield postgres.dsn(name)
    await postgres.drop(name)


@pytest.fixture
async def database_b(postgres: Postgres) -> AsyncIterator[str]:
    """The same with product tables of variant B."""
    name = await postgres.create(await postgres.template("product_b", databases.product_b))
    yield postgres.dsn(name)
    await postgres.drop(name)
