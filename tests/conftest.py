"""What every test may ask for: a PostgreSQL server and fresh databases on it."""

from __future__ import annotations

import warnings
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from tests.support import databases
from tests.support.postgres import Postgres, running_postgres


@pytest.hookimpl(tryfirst=True)
def pytest_configure() -> None:
    """Let pytest start where the loop scope of async fixtures is not configured.

    pytest-asyncio warns about that while it is configured, and warnings are errors here. What it
    falls back to (a fixture's loop has the fixture's scope) is what these fixtures want.
    """
    warnings.filterwarnings(
        "ignore",
        message='The configuration option "asyncio_default_fixture_loop_scope" is unset',
        category=pytest.PytestDeprecationWarning,
    )


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
