"""How are the people of a cohort and their doings counted? In one pass over what they did.

The beginning of every period is worked out beforehand, in the job's zone, so that the database
never has to know about time zones.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from jobs.analytics.cohort_data import Cell, Kept, Matrix
from jobs.analytics.cohorts import Cohort
from jobs.analytics.events import event_sql
from scheduler.errors import MissingTablesError
from scheduler.job import Connection
from scheduler.sql import Queries
from scheduler.transaction import give_memory

FILTERS = "('filters' IS NOT NULL)"
"""What stands in the statements until the condition of a cohort's filters takes its place."""
FIRST_FILTER = 5
"""The number of that condition's first placeholder."""

NEVER = datetime.min.replace(tzinfo=UTC)

# What some cohorts need, and others do without.
INVOICES = {
    "invoice_cache": ("user_id", "status", "amount_cents", "currency", "paid_at", "invoice_date")
}
HISTORY = {"subscription_history": ("user_id", "action", "reason", "created_at")}


@dataclass(frozen=True, slots=True)
class Statement:
    text: str
    values: Sequence[object]


def pass_sql(tables: Mapping[str, frozenset[str]]) -> Queries:
    """The queries of a pass, for the product's variant of events."""
    return event_sql(__file__, tables)


def check_tables(cohort: Cohort, tables: Mapping[str, frozenset[str]]) -> None:
    """Raise `MissingTablesError` where the database lacks what just this cohort needs."""
    needs: dict[str, Sequence[str]] = {}
    if cohort.source == "purchase" or not cohort.needs_events:
        needs.update(INVOICES)
    if cohort.source == "subscription":
        needs.update(HISTORY)
    for table, columns in needs.items():
        if table not in tables:
            raise MissingTablesError(f"the database has no table {table}")
        if missing := set(columns) - tables[table]:
            raise MissingTablesError(f"{table} has no column {', '.join(sorted(missing))}")


def statement(
    sql: Queries, cohort: Cohort, at: datetime, measured: object, condition: Statement
) -> Statement:
    """What counts the cohort's people who came before `at`, and what they did in each period.

    `measured` are the events that are generations, or for revenue the currency.
    """
    kind = "activity" if cohort.needs_events else "revenue"
    text: str = getattr(sql, f"{cohort.source}_{kind}").sql
    window = cohort.window
    starts = window.starts()
    until = min(at, window.start(window.last_cohort + 1))
    return Statement(
        text.replace(FILTERS, condition.text),
        (starts[:-1], starts[1:], until, measured, *condition.values),
    )


async def measure(
    connection: Connection, sql: Queries, cohort: Cohort, counting: Statement, cutoff: datetime
) -> Matrix:
    """Run the pass. Events before `cutoff` may have been cleaned by others than `cleanup`."""
    # A hash of a million people.
    await give_memory(connection, 64)
    await sql.without_loops(connection)
    matrix = Matrix()
    first = cohort.window.first
    for row in await connection.fetch(counting.text, *counting.values):
        number = first + row["cohort"]
        if row["period"] is None:
            matrix.sizes[number] = row["people"]
        elif cohort.needs_events:
            cell = Cell(row["people"], row["events"], row["generations"])
            matrix.cells[number, first + row["period"]] = cell
        else:
            matrix.cells[number, first + row["period"]] = Cell(cents=row["cents"])
    if cohort.needs_events:
        # After the pass: what was deleted while it ran is then known to be gone.
        matrix.kept = await _kept(connection, sql, cohort, cutoff)
    return matrix


async def _kept(connection: Connection, sql: Queries, cohort: Cohort, cutoff: datetime) -> Kept:
    window = cohort.window
    periods = range(window.first - 1, min(window.ended, window.last) + 1)
    starts = [window.start(period) for period in (*periods, periods.stop)]
    row = await sql.kept(connection, starts=starts[:-1], ends=starts[1:])
    some = zip(periods, row["some"], strict=True)
    empty = frozenset(period for period, has_events in some if not has_events)
    return Kept(cutoff, row["cleaned"] or NEVER, empty)
