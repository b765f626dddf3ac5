"""Is the sample data whole, in agreement with itself, and the same wherever it is laid?"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any, TypeAlias

import asyncpg
import pytest

from scheduler.db.product import DemoError, lay_demo, lay_product_tables
from tests.support.postgres import Postgres

Connection: TypeAlias = "asyncpg.Connection[Any]"

NOW = datetime(2026, 11, 24, 9, 30, tzinfo=UTC)
TODAY = datetime(2026, 11, 24, tzinfo=UTC)
HALF_AN_HOUR = timedelta(minutes=30)
USERS = 3000


async def lay(connection: Connection) -> None:
    await lay_product_tables(connection)
    await lay_demo(connection, now=NOW, users=USERS)


@pytest.fixture
async def demo(postgres: Postgres) -> AsyncIterator[Connection]:
    """A database with the sample data, laid once a session."""
    name = await postgres.create(await postgres.template("demo", lay))
    connection = await postgres.connect(name)
    yield connection
    await connection.close()
    await postgres.drop(name)


@pytest.fixture
async def empty(empty_database: str) -> AsyncIterator[Connection]:
    """A database with the product's tables and no rows."""
    connection = await asyncpg.connect(empty_database, timeout=10, command_timeout=50)
    await lay_product_tables(connection)
    yield connection
    await connection.close()


async def table_names(connection: Connection) -> list[str]:
    rows = await connection.fetch(
        "SELECT relname FROM pg_class"
        " WHERE relnamespace = 'public'::regnamespace AND relkind = 'r' ORDER BY 1"
    )
    return [row["relname"] for row in rows]


async def checksums(connection: Connection) -> dict[str, str]:
    return {
        table: await connection.fetchval(
            f"SELECT md5(string_agg(t::text, '' ORDER BY t::text COLLATE \"C\")) FROM {table} AS t"  # noqa: S608
        )
        for table in await table_names(connection)
    }


async def structure(connection: Connection) -> set[str]:
    rows = await connection.fetch(
        "SELECT pg_get_indexdef(indexrelid) FROM pg_index"
        " WHERE indrelid::regclass::text !~ '^pg_'"
        " UNION ALL SELECT conrelid::regclass || conname || pg_get_constraintdef(oid)"
        " FROM pg_constraint WHERE connamespace = 'public'::regnamespace"
    )
    return {row[0] for row in rows}


async def test_every_tier_and_status_has_people(demo: Connection) -> None:
    rows = await demo.fetch(
        "SELECT subscription_tier, subscription_status, count(*) FROM app_users GROUP BY 1, 2"
    )
    groups = {(row[0], row[1]): row[2] for row in rows}
    assert sum(groups.values()) == USERS
    assert {tier for tier, _ in groups} == {"free", "maker", "pro", "unlimited"}
    assert {status for _, status in groups} == {"active", "canceled", "past_due", "trialing"}
    assert groups["free", "active"] > USERS / 2
    plans = await demo.fetch("SELECT tier, credits_per_day FROM subscription_plans")
    assert dict(plans) == {"free": 10, "maker": 30, "pro": 100, "unlimited": -1}


async def test_the_account_jobs_have_work(demo: Connection) -> None:
    due = await demo.fetchrow(
        """SELECT
            count(*) FILTER (WHERE subscription_status = 'canceled'
                AND subscription_ends_at > $1) AS paid_through,
            count(*) FILTER (WHERE subscription_status = 'canceled'
                AND subscription_ends_at < $1 AND subscription_tier <> 'free') AS expired,
            count(*) FILTER (WHERE subscription_status = 'canceled'
                AND subscription_tier = 'free') AS left_behind,
            count(*) FILTER (WHERE is_banned) AS banned,
            count(*) FILTER (WHERE credits_reset_at IS NULL) AS never_reset,
            count(*) FILTER (WHERE credits_reset_at >= $2) AS reset_today,
            count(*) FILTER (WHERE credits_remaining < credits_per_day) AS spent,
            count(*) FILTER (WHERE credits_per_day > 0
                AND credits_remaining > credits_per_day) AS bought
        FROM app_users JOIN subscription_plans ON tier = subscription_tier""",
        NOW,
        TODAY,
    )
    assert due is not None
    assert due["reset_today"] == 0
    for group in ("paid_through", "expired", "left_behind", "banned", "never_reset", "bought"):
        assert due[group] > 0, group
    assert due["spent"] > USERS / 50
    webhooks = await demo.fetchrow(
        "SELECT count(*) FILTER (WHERE processed AND processed_at < $1) AS old,"
        " count(*) FILTER (WHERE NOT processed) AS waiting FROM payment_webhooks",
        NOW - timedelta(days=30),
    )
    assert webhooks is not None
    assert webhooks["old"] > 100
    assert webhooks["waiting"] > 0


async def test_the_ledger_is_a_chain_that_ends_in_the_balance(demo: Connection) -> None:
    rows = await demo.fetch(
        "SELECT user_id, type, amount, balance_before, balance_after FROM credit_transactions"
        " ORDER BY user_id, created_at, type"
    )
    assert {row["type"] for row in rows} == {
        "generation",
        "daily_reset",
        "subscription_grant",
        "purchase",
        "expiration",
    }
    balance: dict[Any, int] = {}
    for row in rows:
        assert row["balance_before"] + row["amount"] == row["balance_after"] >= 0
        assert row["balance_before"] == balance.get(row["user_id"], row["balance_before"])
        balance[row["user_id"]] = row["balance_after"]
    people = await demo.fetch("SELECT id, credits_remaining FROM app_users")
    assert all(
        person["credits_remaining"] == balance.get(person["id"], person["credits_remaining"])
        for person in people
    )
    assert len(balance) > USERS / 3


async def test_every_foreign_key_holds(demo: Connection) -> None:
    keys = await demo.fetch(
        """SELECT conrelid::regclass::text AS source, a.attname AS column,
            confrelid::regclass::text AS target
        FROM pg_constraint JOIN pg_attribute AS a ON attrelid = conrelid AND attnum = conkey[1]
        WHERE contype = 'f' AND connamespace = 'public'::regnamespace"""
    )
    assert len(keys) > 15
    for source, column, target in keys:
        orphans = await demo.fetchval(
            f"SELECT count(*) FROM {source} AS s WHERE {column} IS NOT NULL"  # noqa: S608
            f" AND NOT EXISTS (SELECT FROM {target} AS t WHERE t.id = s.{column})"
        )
        assert orphans == 0, (source, column)


async def test_nothing_happened_in_the_future(demo: Connection) -> None:
    columns = await demo.fetch(
        """SELECT relname, attname FROM pg_class JOIN pg_attribute ON attrelid = pg_class.oid
        WHERE relnamespace = 'public'::regnamespace AND relkind = 'r'
            AND atttypid = 'timestamptz'::regtype
            AND attname NOT IN ('subscription_ends_at', 'period_end', 'due_date')"""
    )
    assert len(columns) > 60
    for table, column in columns:
        latest = await demo.fetchval(f'SELECT max("{column}") FROM {table}')  # noqa: S608
        assert latest is None or latest <= NOW, (table, column)


async def test_events_span_ninety_days_with_a_rhythm(demo: Connection) -> None:
    rows = await demo.fetch("SELECT event_type, user_id, timestamp FROM analytics_events")
    first, last = min(row[2] for row in rows), max(row[2] for row in rows)
    assert TODAY - timedelta(days=90) <= first < TODAY - timedelta(days=89)
    assert NOW - timedelta(hours=2) < last <= NOW
    assert 8 * USERS < len(rows) < 25 * USERS
    assert {"user_created", "page_view", "generation_completed", "generation_failed"} <= {
        row[0] for row in rows
    }
    weekend = sum(row[2].weekday() >= 5 for row in rows)
    night = sum(row[2].hour < 5 for row in rows)
    assert weekend / len(rows) < 0.22
    assert night / len(rows) < 0.1
    joined = {row[0]: row[1] for row in await demo.fetch("SELECT id, created_at FROM app_users")}
    assert all(row[2] >= joined[row[1]] for row in rows if row[1] is not None)


async def test_rollups_equal_a_recount(demo: Connection) -> None:
    border = TODAY - timedelta(days=2)
    events = await demo.fetch(
        "SELECT * FROM analytics_events WHERE timestamp < $1 ORDER BY timestamp", border
    )
    ledger = await demo.fetch(
        "SELECT created_at, amount FROM credit_transactions"
        " WHERE type = 'generation' AND created_at < $1",
        border,
    )
    people = {row[0]: row[1] for row in await demo.fetch("SELECT id, created_at FROM app_users")}
    by_hour: dict[datetime, list[Any]] = defaultdict(list)
    by_day: dict[datetime, list[Any]] = defaultdict(list)
    spent_hour: dict[datetime, int] = defaultdict(int)
    spent_day: dict[datetime, int] = defaultdict(int)
    for event in events:
        hour = event["timestamp"].replace(minute=0, second=0, microsecond=0)
        by_hour[hour].append(event)
        by_day[hour.replace(hour=0)].append(event)
    for at, amount in ledger:
        hour = at.replace(minute=0, second=0, microsecond=0)
        spent_hour[hour] -= amount
        spent_day[hour.replace(hour=0)] -= amount

    hours = await demo.fetch("SELECT * FROM analytics_hourly ORDER BY hour")
    assert [row["hour"] for row in hours] == [
        TODAY - timedelta(days=90) + timedelta(hours=hour) for hour in range(88 * 24)
    ]
    for row in hours:
        found = by_hour[row["hour"]]
        assert row["active_users"] == len({e["user_id"] for e in found} - {None})
        assert row["page_views"] == sum(e["event_type"] == "page_view" for e in found)
        assert row["generations"] == sum(e["event_type"] == "generation_completed" for e in found)
        assert row["signups"] == sum(e["event_type"] == "user_created" for e in found)
        assert row["credits_used"] == spent_hour[row["hour"]]

    days = await demo.fetch("SELECT * FROM analytics_daily ORDER BY date")
    assert [row["date"] for row in days] == [
        (TODAY - timedelta(days=day)).date() for day in range(90, 2, -1)
    ]
    for row in days:
        start = datetime.combine(row["date"], datetime.min.time(), UTC)
        found = by_day[start]
        active = {e["user_id"] for e in found} - {None}
        assert row["active_users"] == len(active)
        assert row["returning_users"] == sum(people[user] < start for user in active)
        assert row["new_users"] == sum(e["event_type"] == "user_created" for e in found)
        assert row["page_views"] == sum(e["event_type"] == "page_view" for e in found)
        assert row["unique_visitors"] == len({e["user_id"] or e["session_id"] for e in found})
        assert row["credits_used"] == spent_day[start]
        sessions: dict[Any, list[Any]] = defaultdict(list)
        lone: dict[Any, list[list[Any]]] = defaultdict(list)
        for event in found:
            if event["session_id"] is not None:
                sessions[event["session_id"]].append(event)
            elif event["user_id"] is not None:
                silent = lone[event["user_id"]]
                if silent and event["timestamp"] - silent[-1][-1]["timestamp"] < HALF_AN_HOUR:
                    silent[-1].append(event)
                else:
                    silent.append([event])
        for user, silent in lone.items():
            for number, session in enumerate(silent):
                if len(session) > 1 or session[0]["event_type"] == "page_view":
                    sessions[user, number] = session
        single = sum(
            sum(e["event_type"] == "page_view" for e in session) == 1
            for session in sessions.values()
        )
        assert float(row["bounce_rate"]) == pytest.approx(100 * single / len(sessions), abs=0.006)


async def test_money_in_the_rollups_is_that_of_the_invoices(demo: Connection) -> None:
    rows = await demo.fetch(
        """SELECT date, revenue_cents, mrr_cents, revenue_by_tier,
            (SELECT coalesce(sum(amount_cents), 0) FROM invoice_cache WHERE currency = 'usd'
                AND status = 'paid' AND paid_at >= date AND paid_at < date + 1) AS revenue,
            (SELECT round(sum(CASE WHEN period_end - period_start > interval '299 days'
                    THEN amount_cents ELSE amount_cents * 12 END) / 12.0)
                FROM invoice_cache WHERE currency = 'usd' AND status = 'paid'
                AND paid_at::date <= date AND period_end::date > date) AS mrr
        FROM analytics_daily"""
    )
    assert sum(row["revenue_cents"] for row in rows) > 0
    for row in rows:
        assert (row["revenue_cents"], row["mrr_cents"]) == (row["revenue"], row["mrr"])


async def test_readers_carry_the_counts_of_their_mail(demo: Connection) -> None:
    statuses = await demo.fetch("SELECT DISTINCT status FROM newsletter_subscribers")
    assert {row[0] for row in statuses} == {
        "active",
        "unsubscribed",
        "bounced",
        "complained",
        "cleaned",
    }
    wrong = await demo.fetchval(
        """SELECT count(*) FROM newsletter_subscribers AS s
        CROSS JOIN LATERAL (
            SELECT count(*) FILTER (WHERE event_type = 'delivered') AS received,
                count(*) FILTER (WHERE event_type = 'opened') AS opened,
                count(*) FILTER (WHERE event_type = 'clicked') AS clicked
            FROM email_events WHERE subscriber_id = s.id) AS mail
        WHERE (emails_received, emails_opened, emails_clicked) <> (received, opened, clicked)"""
    )
    assert wrong == 0
    assert await demo.fetchval("SELECT sum(emails_opened) FROM newsletter_subscribers") > 100


async def test_nobody_is_about_to_be_written_to(demo: Connection) -> None:
    for table in ("newsletter_sequence_enrollments", "email_queue"):
        assert await demo.fetchval(f"SELECT count(*) FROM {table}") == 0  # noqa: S608
    enabled = "SELECT array_agg(name) FROM projects WHERE github_sync_enabled"
    assert await demo.fetchval(enabled) == ["Lantern"]  # whose history is a sample: no sync
    strangers = await demo.fetchval(
        "SELECT count(*) FROM (SELECT email FROM app_users"
        " UNION ALL SELECT email FROM newsletter_subscribers) AS e"
        " WHERE email NOT LIKE '%@example.com'"
    )
    assert strangers == 0


async def test_the_same_seed_gives_the_same_rows(empty: Connection, postgres: Postgres) -> None:
    sums = []
    for seed, zone in ((3, "UTC"), (3, "Pacific/Auckland"), (4, "UTC")):
        name = await postgres.create()
        connection = await postgres.connect(name)
        try:
            await lay_product_tables(connection)
            await connection.execute(f"SET timezone TO '{zone}'")
            await lay_demo(connection, now=NOW, users=100, seed=seed)
            await connection.execute("SET timezone TO 'UTC'")
            sums.append(await checksums(connection))
        finally:
            await connection.close()
            await postgres.drop(name)
    first, elsewhere, other_seed = sums
    assert first == elsewhere
    assert first["app_users"] != other_seed["app_users"]
    assert first["analytics_events"] != other_seed["analytics_events"]


async def test_rows_are_reported_as_they_are_counted(empty: Connection) -> None:
    heard: dict[str, int] = {}
    laid = await lay_demo(empty, now=NOW, users=150, report=heard.__setitem__)
    assert heard == laid
    for table, rows in laid.items():
        assert rows > 0, table
        assert await empty.fetchval(f"SELECT count(*) FROM {table}") == rows  # noqa: S608


@pytest.mark.parametrize("wild", [False, True], ids=["ours", "wild"])
async def test_nothing_but_rows_is_left_behind(empty_database: str, wild: bool) -> None:
    connection = await asyncpg.connect(empty_database, timeout=10)
    try:
        await lay_product_tables(connection, wild=wild)
        before = await structure(connection)
        await lay_demo(connection, now=NOW, users=60)
        assert await structure(connection) == before
        left = await connection.fetchval(
            "SELECT count(*) FROM pg_proc WHERE pronamespace = pg_my_temp_schema()"
        )
        assert left == 0
        assert await connection.fetchval("SHOW session_replication_role") == "origin"
    finally:
        await connection.close()


async def test_death_half_way_leaves_nothing(empty: Connection, empty_database: str) -> None:
    before = await structure(empty)

    class Killed(Exception):
        pass

    def die(table: str, rows: int) -> None:
        if table == "analytics_events":
            empty.terminate()
            raise Killed

    with pytest.raises((Killed, asyncpg.InterfaceError, ConnectionError)):
        await lay_demo(empty, now=NOW, users=60, report=die)
    again = await asyncpg.connect(empty_database, timeout=10)
    try:
        assert await structure(again) == before
        assert await again.fetchval("SELECT count(*) FROM app_users") == 0
        assert (await lay_demo(again, now=NOW, users=60))["app_users"] == 60
    finally:
        await again.close()


async def test_it_is_laid_once_only(empty: Connection) -> None:
    await lay_demo(empty, now=NOW, users=5)
    with pytest.raises(DemoError, match="people in app_users already"):
        await lay_demo(empty, now=NOW, users=5)
    assert await empty.fetchval("SELECT count(*) FROM app_users") == 5


async def test_variant_b_is_refused(empty_database: str) -> None:
    connection = await asyncpg.connect(empty_database, timeout=10)
    try:
        await lay_product_tables(connection, "b")
        with pytest.raises(DemoError, match="variant A"):
            await lay_demo(connection, now=NOW, users=5)
    finally:
        await connection.close()


@pytest.mark.parametrize(
    ("now", "users", "events", "said"),
    [
        (NOW.replace(tzinfo=None), 5, 10.0, "time zone"),
        (NOW, 0, 10.0, "1 user or more"),
        (NOW, 5, 0.0, "at most 1000"),
        (NOW, 5, 1001.0, "at most 1000"),
    ],
)
async def test_bad_bounds_are_refused(
    empty: Connection, now: datetime, users: int, events: float, said: str
) -> None:
    with pytest.raises(DemoError, match=said):
        await lay_demo(empty, now=now, users=users, events_per_user=events)


@pytest.mark.parametrize(
    ("now", "users"),
    [
        (datetime(2028, 2, 29, 0, 0, 0, 1, tzinfo=UTC), 40),
        (datetime(2026, 12, 31, 23, 59, 59, tzinfo=UTC), 40),
        (NOW, 1),
    ],
    ids=["first moment of a leap day", "last second of a year", "one person"],
)
async def test_any_moment_and_any_size_will_do(
    empty: Connection, now: datetime, users: int
) -> None:
    assert (await lay_demo(empty, now=now, users=users))["app_users"] == users
    assert await empty.fetchval("SELECT count(*) FROM app_users WHERE created_at > $1", now) == 0
    assert (
        await empty.fetchval("SELECT max(date) FROM analytics_daily")
        == (now - timedelta(days=3)).date()
    )


async def test_a_role_without_privileges_may_lay_it_too(
    empty_database: str, postgres: Postgres
) -> None:
    connection = await asyncpg.connect(empty_database, timeout=10)
    try:
        await connection.execute(
            "CREATE ROLE plain; GRANT CREATE ON SCHEMA public TO plain; SET ROLE plain"
        )
        await lay_product_tables(connection)
        # Here every foreign key is checked as the rows come.
        assert (await lay_demo(connection, now=NOW, users=60))["app_users"] == 60
    finally:
        await connection.execute("RESET ROLE; DROP OWNED BY plain; DROP ROLE plain")
        await connection.close()
