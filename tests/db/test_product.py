"""Are the product's tables laid as its own database has them, in each of their forms?"""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any, Literal

import asyncpg
import pytest

from scheduler.db.migrations import migrate
from scheduler.db.product import lay_product_tables

Table = set[tuple[str, ...]]

# The other variant: what it lacks, and where a line of a table reads otherwise.
ABSENT_IN_B = re.compile(
    r"newsletter_|analytics_(daily|hourly|funnels|funnel_progress|cohorts)$|email_events$"
    r"|projects$|project_|todos$"
)
COLUMNS_LACKING_IN_B = {
    "session_id",
    "page_url",
    "referrer",
    "user_agent",
    "ip_address",
    "country",
    "device_type",
    "conversion_value",
    "properties",
}
# Columns that only the indexes of the wild form tell of.
WILD_COLUMNS = {("column", "contact_id", "uuid"), ("column", "auth_provider", "varchar(50)")}


def read_expectations() -> dict[str, Table]:
    tables: dict[str, Table] = {}
    text = (Path(__file__).parent / "product_tables.txt").read_text()
    for line in text.splitlines():
        kind, _, rest = line.strip().partition(" ")
        match kind:
            case "" | "#":
                pass
            case "table":
                table = tables.setdefault(rest, set())
            case "check":
                column, *values = rest.split()
                table.add(("check", column, " ".join(sorted(values))))
            case "key" | "refers" | "index":
                table.add((kind, rest))
            case _:
                table.add(("column", kind, rest))
    return tables


def expected(variant: str, wild: bool) -> dict[str, Table]:
    """What the tables of this form have to be, indexes left out where they are ours to choose."""
    tables = read_expectations()
    for name, table in tables.items():
        for line in list(table):
            if line[0] == "index" and not wild:
                table.remove(line)
            elif not wild and line[-1] == "uuid! =uuid_generate_v4()":
                table.remove(line)
                table.add((*line[:2], "uuid! =gen_random_uuid()"))
        if name == "app_users" and wild:
            table.update(WILD_COLUMNS)
    if variant == "b":
        tables = {name: table for name, table in tables.items() if not ABSENT_IN_B.match(name)}
        tables["analytics_events"] = {
            tuple(part.replace('"timestamp"', "created_at") for part in line)
            for line in tables["analytics_events"]
            if not (line[0] == "column" and line[1] in COLUMNS_LACKING_IN_B)
            and not (line[0] == "index" and re.search("session_id|properties", line[1]))
        }
        tables["analytics_events"].remove(("column", "timestamp", "timestamptz =now()"))
        tables["analytics_events"].add(("column", "created_at", "timestamptz =now()"))
        tables["credit_transactions"].remove(("column", "reference_id", "uuid"))
        tables["credit_transactions"].add(("column", "reference_id", "varchar(255)"))
        for name, column, extra in (
            ("app_users", "subscription_tier", "agency"),
            ("app_users", "subscription_status", "paused"),
            ("subscription_plans", "tier", "agency"),
        ):
            (check,) = [line for line in tables[name] if line[:2] == ("check", column)]
            tables[name].remove(check)
            tables[name].add(("check", column, " ".join(sorted([*check[2].split(), extra]))))
    return tables


COLUMNS = """
    SELECT relname, attname, format_type(atttypid, atttypmod) AS type, attnotnull,
        pg_get_expr(adbin, adrelid) AS preset
    FROM pg_class JOIN pg_attribute ON attrelid = pg_class.oid
    LEFT JOIN pg_attrdef ON adrelid = attrelid AND adnum = attnum
    WHERE relnamespace = 'public'::regnamespace AND relkind = 'r' AND attnum > 0
        AND NOT attisdropped
"""
CONSTRAINTS = """
    SELECT conrelid::regclass::text AS relname, contype, pg_get_constraintdef(oid) AS definition
    FROM pg_constraint
    WHERE connamespace = 'public'::regnamespace AND contype IN ('c', 'f', 'p', 'u')
"""
SECONDARY_INDEXES = """
    SELECT indrelid::regclass::text AS relname, pg_get_indexdef(indexrelid) AS definition
    FROM pg_index JOIN pg_class ON pg_class.oid = indrelid
    WHERE relnamespace = 'public'::regnamespace AND NOT indisunique
"""
TYPES = {
    "character varying": "varchar",
    "timestamp with time zone": "timestamptz",
    "integer": "int",
    "integer[]": "int4[]",
}


async def actual(connection: asyncpg.Connection[Any], wild: bool) -> dict[str, Table]:
    tables: dict[str, Table] = {}
    for relname, column, type_, required, preset in await connection.fetch(COLUMNS):
        name, bracket, rest = type_.partition("(")
        text = TYPES.get(name, name) + bracket + rest + ("!" if required else "")
        if preset is not None:
            text += " =" + re.sub(r"::[a-z ]+(\[\])?$", "", preset)
            if (relname, column, wild) == ("app_users", "id", False):
                # Ours may be made in the order of time; a test below is about that.
                text = text.replace("uuidv7()", "gen_random_uuid()")
        tables.setdefault(relname, set()).add(("column", column, text))
    for relname, kind, definition in await connection.fetch(CONSTRAINTS):
        if kind == b"c":
            # The first word in the expression is the column, the quoted ones the values.
            column = re.findall(r"\w+", definition.removeprefix("CHECK "))[0]
            values = sorted(re.findall(r"'(\w+)'", definition))
            tables[relname].add(("check", column, " ".join(values)))
        elif kind == b"f":
            column, target = re.fullmatch(
                r"FOREIGN KEY \((\w+)\) REFERENCES (.*)", definition
            ).groups()  # type: ignore[union-attr]  # a definition that reads otherwise has to fail
            tables[relname].add(("refers", f"{column} {target}"))
        else:
            tables[relname].add(("key", definition[definition.index("(") :]))
    if wild:
        for relname, definition in await connection.fetch(SECONDARY_INDEXES):
            text = definition.partition(" USING ")[2].removeprefix("btree ")
            tables[relname].add(("index", re.sub(r"::(character varying|text)", "", text)))
    return tables


@pytest.fixture
async def connection(empty_database: str) -> AsyncIterator[asyncpg.Connection[Any]]:
    connection = await asyncpg.connect(empty_database, timeout=10, command_timeout=50)
    yield connection
    await connection.close()


@pytest.mark.parametrize("wild", [False, True], ids=["ours", "wild"])
@pytest.mark.parametrize("variant", ["a", "b"])
async def test_tables_are_those_of_the_product(
    connection: asyncpg.Connection[Any], variant: Literal["a", "b"], wild: bool
) -> None:
    assert await lay_product_tables(connection, variant, wild)
    want, have = expected(variant, wild), await actual(connection, wild)
    assert have.keys() == want.keys()
    for name, table in want.items():
        assert (table - have[name], have[name] - table) == (set(), set()), name


async def test_tables_that_are_there_are_left_alone(connection: asyncpg.Connection[Any]) -> None:
    assert await lay_product_tables(connection)
    await connection.execute("INSERT INTO app_users (email) VALUES ('ada@example.com')")
    assert not await lay_product_tables(connection, "b", wild=True)
    assert await connection.fetchval("SELECT count(*) FROM app_users") == 1


async def test_of_two_who_lay_at_once_one_does(empty_database: str) -> None:
    connections = [await asyncpg.connect(empty_database, timeout=10) for _ in range(2)]
    try:
        laid = await asyncio.gather(*(lay_product_tables(each) for each in connections))
    finally:
        for each in connections:
            await each.close()
    assert sorted(laid) == [False, True]


async def test_a_table_in_the_way_leaves_nothing_laid(connection: asyncpg.Connection[Any]) -> None:
    await connection.execute("CREATE TABLE public.todos ()")
    with pytest.raises(asyncpg.DuplicateTableError, match="todos"):
        await lay_product_tables(connection)
    assert await connection.fetchval("SELECT to_regclass('public.app_users')") is None


async def test_a_search_path_of_the_caller_does_not_move_them(
    connection: asyncpg.Connection[Any],
) -> None:
    await connection.execute("CREATE SCHEMA lamplighter; SET search_path TO lamplighter, public")
    await lay_product_tables(connection)
    assert await connection.fetchval("SELECT to_regclass('public.app_users') IS NOT NULL")
    assert await connection.fetchval("SHOW search_path") == "lamplighter, public"


@pytest.mark.parametrize(("wild", "options"), [(False, ["fillfactor=50"]), (True, None)])
async def test_only_ours_leaves_room_for_updates_in_place(
    connection: asyncpg.Connection[Any], wild: bool, options: list[str] | None
) -> None:
    await lay_product_tables(connection, wild=wild)
    found = await connection.fetchval(
        "SELECT reloptions FROM pg_class WHERE oid = 'app_users'::regclass"
    )
    assert found == options


async def test_keys_are_made_in_the_order_of_time_where_the_server_can(
    connection: asyncpg.Connection[Any],
) -> None:
    await migrate(connection)
    await lay_product_tables(connection)
    can = connection.get_server_version().major >= 18
    people = "INSERT INTO app_users (email) VALUES ('a@example.com') RETURNING id"
    for made in (people, "SELECT lamplighter.new_id()"):
        key = await connection.fetchval(made)
        assert key.version == (7 if can else 4)


async def test_a_daily_reset_touches_no_index_of_ours(connection: asyncpg.Connection[Any]) -> None:
    await lay_product_tables(connection)
    written_daily = {"credits_remaining", "credits_reset_at", "lifetime_credits_used", "updated_at"}
    rows = await connection.fetch(
        "SELECT pg_get_indexdef(indexrelid) FROM pg_index WHERE indrelid = 'app_users'::regclass"
    )
    assert len(rows) >= 3
    for (definition,) in rows:
        assert not written_daily & set(re.findall(r"\w+", definition)), definition


async def test_the_wild_stamps_updated_rows(connection: asyncpg.Connection[Any]) -> None:
    await lay_product_tables(connection, wild=True)
    for table in ("app_users", "newsletter_subscribers"):
        await connection.execute(
            f"INSERT INTO {table} (email, updated_at) VALUES ('ada@example.com', '2020-01-01')"  # noqa: S608
        )
        after = await connection.fetchval(
            f"UPDATE {table} SET created_at = '2020-01-01' RETURNING updated_at > '2024-01-01'"  # noqa: S608
        )
        assert after is True, table


async def test_the_wild_counts_mail_and_gives_strangers_to_it_the_full_score(
    connection: asyncpg.Connection[Any],
) -> None:
    await lay_product_tables(connection, wild=True)
    reader = await connection.fetchval(
        "INSERT INTO newsletter_subscribers (email) VALUES ('ada@example.com') RETURNING id"
    )
    scores = []
    for event in ("sent", "delivered", "delivered", "opened", "opened", "clicked", "delivered"):
        await connection.execute(
            "INSERT INTO email_events (subscriber_id, event_type) VALUES ($1, $2)", reader, event
        )
        scores.append(
            await connection.fetchval("SELECT engagement_score FROM newsletter_subscribers")
        )
    # Counted before the event: until something was opened, NULL is ignored and 100 is what is left.
    assert [float(score) for score in scores] == [100, 100, 100, 100, 25, 50, 75]
    counters = await connection.fetchrow(
        "SELECT emails_received, emails_opened, emails_clicked FROM newsletter_subscribers"
    )
    assert counters is not None
    assert tuple(counters) == (3, 2, 1)
