"""Does the second guard see what the first let through, and nothing where there is nothing?"""

from __future__ import annotations

from collections.abc import AsyncIterator
from random import Random
from typing import Any

import asyncpg
import pytest

from jobs.criteria.columns import Column
from jobs.criteria.compiler import compile_criteria, placed
from jobs.criteria.errors import CriteriaError
from jobs.criteria.guard import Reach, every_column, hold, reach
from jobs.criteria.types import TYPES
from scheduler.db.pools import prepare_connection
from tests.jobs.criteria.every_type import NOW, columns, lay, sql, tree


@pytest.fixture
async def connection(empty_database: str) -> AsyncIterator[asyncpg.Connection[Any]]:
    made = await asyncpg.connect(empty_database, timeout=10, command_timeout=30)
    await prepare_connection(made)
    await lay(made, Random(1), 3)
    await sql.lay_vault(made)
    yield made
    await made.close()


async def of_all(connection: asyncpg.Connection[Any], allowed: dict[str, Column]) -> Reach:
    return await reach(connection, placed(sql.matching.sql, every_column(allowed)))


async def of(
    connection: asyncpg.Connection[Any], criteria: object, allowed: dict[str, Column]
) -> Reach:
    condition = compile_criteria(criteria, allowed, NOW)
    return await reach(connection, placed(sql.matching.sql, condition.text), *condition.values)


async def test_criteria_of_every_kind_stay_within_reach(
    connection: asyncpg.Connection[Any],
) -> None:
    allowed = await columns(connection)
    whole = await of_all(connection, allowed)
    assert whole == Reach(frozenset({"public.things", "public.owners"}), frozenset())
    rng = Random(2)
    for _ in range(200):
        hold(await of(connection, tree(rng), allowed), whole)


@pytest.mark.parametrize(
    "text", ["pg_sleep(1)", "' || pg_sleep(1) || '", "\\' OR pg_sleep(1)", '"vault"(secret)']
)
async def test_a_value_that_looks_like_a_call_is_a_value(
    text: str, connection: asyncpg.Connection[Any]
) -> None:
    allowed = await columns(connection)
    for criteria in ({"word": text}, {"texts": {"$contains": text}}, {"doc": {"$contains": text}}):
        hold(await of(connection, criteria, allowed), await of_all(connection, allowed))


@pytest.mark.parametrize(
    ("hole", "named"),
    [
        ("(SELECT secret FROM vault LIMIT 1)", "public.vault"),
        ("(SELECT v.secret FROM vault v WHERE v.secret = t.word)", "public.vault"),
        ("(SELECT rolname::text FROM pg_catalog.pg_roles LIMIT 1)", "pg_catalog.pg_authid"),
        ("pg_read_file('/etc/hostname')", "pg_read_file"),
        ("(pg_sleep(0))::text", "pg_sleep"),
        ("public.open_vault(t.word)", "open_vault"),
        ('public."Odd (name)"(t.word)', "Odd (name)"),
        ("(SELECT x FROM generate_series(1, 2) x LIMIT 1)::text", "generate_series"),
    ],
)
async def test_a_hole_in_the_compiler_would_be_seen(
    hole: str, named: str, connection: asyncpg.Connection[Any]
) -> None:
    allowed = await columns(connection)
    whole = await of_all(connection, allowed)
    found = await of(connection, {"hole": "x"}, {"hole": Column(hole, TYPES["text"])})
    with pytest.raises(CriteriaError, match="it was not run") as caught:
        hold(found, whole)
    assert named in str(caught.value)


async def test_what_a_bridging_view_reads_is_allowed(connection: asyncpg.Connection[Any]) -> None:
    await sql.bridge(connection)
    allowed = await columns(connection)
    assert allowed["word"].type is TYPES["text"]
    whole = await of_all(connection, allowed)
    assert "public.vault" in whole.tables
    hold(await of(connection, {"word": "a", "user.word": {"$ne": "b"}}, allowed), whole)
    hold(await of(connection, {"whole": 1}, allowed), whole)
