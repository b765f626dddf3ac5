"""One daemon for all attacks that only call it, and fresh ones for those that want their own."""

from __future__ import annotations

import shutil
from collections.abc import AsyncIterator, Iterator

import pytest
import pytest_asyncio

from tests.faults.attacks.target import Target, attacked, people
from tests.support.postgres import Postgres, make_scratch


@pytest.fixture
async def peopled(postgres: Postgres) -> AsyncIterator[str]:
    """The DSN of a fresh database with sample data in the product's tables and in ours."""
    name = await postgres.create(await postgres.template("people", people))
    yield postgres.dsn(name)
    await postgres.drop(name)


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def target(postgres: Postgres) -> AsyncIterator[Target]:
    """A daemon that stays what it is: for attacks that must have no effect."""
    name = await postgres.create(await postgres.template("people", people))
    home = make_scratch("attacked")
    async with attacked(home, postgres.dsn(name)) as made:
        yield made
    shutil.rmtree(home)
    await postgres.drop(name)


@pytest.fixture(autouse=True)
def _is_well(request: pytest.FixtureRequest) -> Iterator[None]:
    """Whatever an attack did, the daemon lives, and none of it was an exception."""
    yield
    if "target" in request.fixturenames:
        request.getfixturevalue("target").is_well()
