"""Does every query of every job fit the product's tables, and take its time from the run?"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import asyncpg
import pytest

import jobs
from jobs.analytics.events import EVENTS, OPTIONAL
from jobs.analytics.rollups import ROLLUPS
from scheduler.sql import load_sql

ROOT = Path(jobs.__file__).parent
FILES = sorted(ROOT.rglob("*.sql"))
# What a placeholder of the files stands for, by variant of the product's tables.
IDENTIFIERS: dict[str, dict[str, str | None]] = {
    "database": {"events_time": "timestamp", "time": "timestamp", **{n: n for n in OPTIONAL}},
    "database_b": {
        "events_time": "created_at",
        "time": "created_at",
        **dict.fromkeys(OPTIONAL),
    },
}
# Tables that variant B lacks: a job looks before it asks them, or does not run there.
ABSENT_IN_B = {
    *("analytics_daily", "analytics_hourly", "analytics_funnels", "analytics_funnel_progress"),
    *("analytics_cohorts", "newsletter_subscribers", "newsletter_segments", "email_events"),
    *("newsletter_segment_members", "newsletter_sequences", "newsletter_sequence_steps"),
    *("newsletter_sequence_enrollments", "newsletter_sync_log", "projects"),
}
CLOCKS = re.compile(
    r"\b(now|clock_timestamp|statement_timestamp|transaction_timestamp|timeofday)\s*\("
    r"|\b(current_date|current_time|current_timestamp|localtime|localtimestamp)\b"
    r"|'(now|today|tomorrow|yesterday)'",
    re.IGNORECASE,
)


def named(file: Path) -> str:
    return str(file.relative_to(ROOT))


def queries(file: Path, variant: str) -> Iterator[tuple[str, str]]:
    shared = [] if file == EVENTS else [EVENTS]
    if file.name.startswith("aggregate_"):
        shared.append(ROLLUPS)
    loaded: Any = load_sql(str(file), *shared, **IDENTIFIERS[variant])
    for name in loaded.available_queries:
        if not name.endswith("_cursor"):
            yield name, getattr(loaded, name).sql


def without_comments(text: str) -> str:
    return re.sub(r"--.*", "", text)


def test_there_are_files() -> None:
    assert {"reset_credits.sql", "check_expirations.sql", "cleanup.sql"} <= set(map(named, FILES))


@pytest.mark.parametrize("file", FILES, ids=named)
def test_no_query_asks_the_database_what_time_it_is(file: Path) -> None:
    found = CLOCKS.search(without_comments(file.read_text(encoding="utf-8")))
    assert found is None, f"{named(file)} asks {found[0]}: take :now of the run"


@pytest.mark.parametrize(
    "text", ["now()", "NOW ()", "CURRENT_DATE", "'today'::date", "clock_timestamp()"]
)
def test_the_rule_knows_a_clock(text: str) -> None:
    assert CLOCKS.search(f"SELECT {text}")
    assert not CLOCKS.search(f"SELECT :now, known(x) -- {text}".partition("--")[0])


@pytest.mark.parametrize("file", FILES, ids=named)
@pytest.mark.parametrize("variant", ["database", "database_b"])
async def test_every_query_fits_the_tables(
    variant: str, file: Path, database: str, database_b: str
) -> None:
    dsn = database if variant == "database" else database_b
    connection = await asyncpg.connect(dsn, timeout=10, command_timeout=10)
    prepared = 0
    try:
        for name, text in queries(file, variant):
            try:
                await connection.prepare(text)
            except asyncpg.PostgresError as error:
                absent = any(f'"{table}"' in str(error) for table in ABSENT_IN_B)
                if variant != "database_b" or not absent:
                    pytest.fail(f"{named(file)}: {name}: {error}")
            prepared += 1
    finally:
        await connection.close()
    assert prepared or file == EVENTS
