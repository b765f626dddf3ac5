"""All that stands in a database, so that two that came about differently can be compared.

What no two runs have in common is masked, and nothing else: an id that the seed does not have
becomes the name of what stands around it, so that references are still compared; a time of the
machine's own clock becomes `<clock>` (the daemon's clock stands still in these tests); numbers that
PostgreSQL counts up become their order; addresses of servers on loopback lose their port.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, TypeAlias

import asyncpg

from scheduler.sql import load_sql

sql = load_sql(__file__)

State: TypeAlias = dict[str, list[str]]
"""Rows by table."""

ID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")
TIME = re.compile(r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d(?:\.\d+)?(?:\+00(?::00)?|Z)")
NAME = re.compile(r"<[0-9a-f]{12}>")
HERE = re.compile(r"127\.0\.0\.1:\d+")
ROUNDS = 4
"""How far from an id what stands around it tells it from others."""
BEGAN = datetime.now(UTC) - timedelta(hours=1)

RECORD = frozenset(
    f"lamplighter.{name}"
    for name in ("runs", "attempts", "run_logs", "entries", "activity", "idempotency_keys")
)
"""The record of a run says how often it was tried. Of runs, those that there were before count."""
HEARSAY = frozenset({"lamplighter.github_quota"})
"""What GitHub said last, as far as it was heard; it is said again with each of its answers."""
OF_EACH_TRY: Mapping[str, frozenset[str]] = {
    # What was asked of a model or GitHub and did not come back was asked for nevertheless.
    "lamplighter.model_spending": frozenset({"calls", "tokens_in", "tokens_out", "cost_usd"}),
    "lamplighter.agent_executions": frozenset({"calls", "tokens_in", "tokens_out", "cost_usd"}),
    "lamplighter.agent_units": frozenset({"attempts"}),
    # What a provider had taken when the answer to our commit was lost is found there by the next
    # attempt, and not done again: it counts as pulled.
    "public.newsletter_sync_log": frozenset(
        {"records_processed", "records_created", "records_updated"}
    ),
    # Who reads once more has read further: the echo of what was written.
    "lamplighter.newsletter_providers": frozenset({"cursor"}),
    # Drawn by lot.
    "lamplighter.keys": frozenset({"value"}),
}


@dataclass(frozen=True)
class Rows:
    """What stands in a database, unmasked."""

    rows: State
    counted: Mapping[str, Sequence[str]]
    """By table, the columns that PostgreSQL counts up."""

    def masked(self, known: frozenset[str] = frozenset()) -> State:
        """`known` are the ids that need no mask, nor their runs to be left out."""
        plain = {
            name: _plain(rows, self.counted[name], name)
            for name, rows in self.rows.items()
            if name not in RECORD | HEARSAY
        }
        before = [row for row in self.rows["lamplighter.runs"] if json.loads(row)["id"] in known]
        plain["lamplighter.runs"] = [json.loads(row) for row in before]
        return _named({name: [*map(_text, rows)] for name, rows in plain.items()}, known)


async def read_rows(connection: asyncpg.Connection[Any]) -> Rows:
    """Every row of every table of the product's and of ours."""
    tables = {
        f"{row['schema']}.{row['name']}": row["counted"] async for row in sql.tables(connection)
    }
    found: State = {name: [] for name in tables}
    for name, text in await connection.fetch(" UNION ALL ".join(map(_rows_of, tables))):
        found[name].append(text)
    return Rows({name: sorted(rows) for name, rows in found.items()}, tables)


def _rows_of(name: str) -> str:
    return f"SELECT '{name}', to_jsonb(t) ::text FROM {quoted(name)} t"  # noqa: S608


def quoted(name: str) -> str:
    """A table's name for a statement."""
    schema, _, table = name.partition(".")
    return f'"{schema}"."{table}"'


def ids_of(rows: State) -> frozenset[str]:
    return frozenset(one for texts in rows.values() for text in texts for one in ID.findall(text))


def timeless(state: State, without: Mapping[str, frozenset[str] | None]) -> State:
    """The state without all times, and without these columns (None: without the table).

    For what came about on other days, and by other ways.
    """
    kept: State = {}
    for name, rows in state.items():
        columns = without.get(name, frozenset())
        if columns is None:
            continue
        plain = [json.loads(row) for row in rows]
        texts = [
            json.dumps({key: value for key, value in row.items() if key not in columns})
            for row in plain
        ]
        kept[name] = sorted(NAME.sub("<id>", TIME.sub("<time>", text)) for text in texts)
    return kept


def differences(clean: State, other: State) -> list[str]:
    """Rows that are only here (`-`) or only there (`+`), by table; empty where all is the same."""
    found = []
    for name in sorted(clean.keys() | other.keys()):
        ours, theirs = list(clean.get(name, [])), list(other.get(name, []))
        for row in clean.get(name, []):
            if row in theirs:
                theirs.remove(row)
                ours.remove(row)
        found += [f"- {name} {row}" for row in ours] + [f"+ {name} {row}" for row in theirs]
    return found


def _plain(texts: Iterable[str], counted: Iterable[str], name: str) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = [json.loads(text) for text in texts]
    for column in counted:
        places = {value: n for n, value in enumerate(sorted(row[column] for row in rows))}
        for row in rows:
            row[column] = places[row[column]]
    for column in OF_EACH_TRY.get(name, ()):
        for row in rows:
            del row[column]
    return rows


def _text(row: dict[str, Any]) -> str:
    return TIME.sub(_on_our_clock, HERE.sub("<here>", json.dumps(row, sort_keys=True)))


def _on_our_clock(found: re.Match[str]) -> str:
    moment = datetime.fromisoformat(re.sub(r"\+00$", "+00:00", found[0]))
    soon = datetime.now(UTC) + timedelta(hours=2)
    return "<clock>" if BEGAN <= moment <= soon else found[0]


def _named(rows: Mapping[str, list[str]], known: frozenset[str]) -> State:
    """Each id that is not known gets the name of the rows that it stands in."""
    names: dict[str, str] = {}

    def name_of(found: re.Match[str]) -> str:
        return found[0] if found[0] in known else names.get(found[0], "<id>")

    for _ in range(ROUNDS):
        around: dict[str, list[str]] = defaultdict(list)
        for table, texts in rows.items():
            for text in texts:
                for found in ID.finditer(text):
                    if found[0] not in known:
                        marked = text.replace(found[0], "<this>")
                        around[found[0]].append(f"{table} {ID.sub(name_of, marked)}")
        names = {one: f"<{_digest(sorted(seen))}>" for one, seen in around.items()}
    return {table: sorted(ID.sub(name_of, text) for text in texts) for table, texts in rows.items()}


def _digest(texts: Iterable[str]) -> str:
    return hashlib.sha256("\n".join(texts).encode()).hexdigest()[:12]
