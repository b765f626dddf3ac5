"""How are the product's events read, whichever variant of their table it has?"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from pathlib import Path

from scheduler.errors import MissingTablesError
from scheduler.sql import Queries, load_sql

EVENTS = Path(__file__).with_suffix(".sql")
TIMES = ("timestamp", "created_at")
OPTIONAL = ("session_id", "page_url", "properties")
"""Columns that some products lack; there they are NULL."""


def event_sql(owner: str, tables: Mapping[str, frozenset[str]], *shared: Path) -> Queries:
    """The queries of the `.sql` file beside `owner`, in which `{events}` stands for a subquery with
    `id, event_type, event_category, user_id, at, session_id, page_url, metadata, properties`.

    `shared` are further files, as `load_sql` takes them. `tables` is the run's `ctx.tables`. Raises
    `MissingTablesError` where events carry no time.
    """
    columns = tables["analytics_events"]
    time = next((name for name in TIMES if name in columns), None)
    if time is None:
        raise MissingTablesError("analytics_events has neither a column timestamp nor created_at")
    return _load(owner, shared, time, frozenset(columns.intersection(OPTIONAL)))


@cache
def _load(owner: str, shared: tuple[Path, ...], time: str, there: frozenset[str]) -> Queries:
    optional = {name: name if name in there else None for name in OPTIONAL}
    return load_sql(owner, EVENTS, *shared, time=time, **optional)
