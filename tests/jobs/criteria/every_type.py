"""A table with a column of every type, rows with NULLs in it, and random criteria over them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from random import Random
from typing import Any
from uuid import UUID

import asyncpg

from jobs.criteria.columns import Column, read_columns
from scheduler.sql import load_sql
from tests.jobs.criteria.evaluator import Document

sql = load_sql(__file__)

NOW = datetime(2026, 1, 31, 9, 30, tzinfo=UTC)
ORDERED = ("$eq", "$ne", "$gt", "$gte", "$lt", "$lte")
WORDS = ["", "a", "ab", "b", "ba", "c", "it''s", "ü", "100%"]
TIMES = {
    "-7d": NOW - timedelta(days=7),
    "+1d": NOW + timedelta(days=1),
    "NOW() - INTERVAL 2 DAY": NOW - timedelta(days=2),
    "now() - interval '7 days'": NOW - timedelta(days=7),
    "now()": NOW,
    "2026-01-30T09:30:00Z": NOW - timedelta(days=1),
    "2026-01-30T10:30:00+01:00": NOW - timedelta(days=1),
    "2026-01-24": datetime(2026, 1, 24, tzinfo=UTC),
}
DATES = {
    "-7d": date(2026, 1, 24),
    "NOW() - INTERVAL 2 DAY": date(2026, 1, 29),
    "2026-01-30": date(2026, 1, 30),
    "now()": date(2026, 1, 31),
}
UUIDS = [str(UUID(int=number)) for number in range(4)]
JSONS: list[Any] = [
    *({}, [], "a", 1, 1.5, True, None, {"a": 1}, {"a": [1, 2]}, {"a": {"b": "c"}}, ["a", "b"]),
    *([1, {"a": 1}], {"a": 1, "b": [True]}, [["a"]], {"a": None}),
]
VALUES: Mapping[str, list[Any]] = {
    "small": [-1, 0, 1, 2],
    "whole": [-1, 0, 1, 2, 2147483647],
    "big": [-1, 0, 1, 2**62],
    "exact": [0, 0.1, 0.2, 1, 99.99, -3],
    "rough": [0, 0.1, 0.2, 1, -3],
    "real": [0, 0.5, 0.25, 1, -3],
    "flag": [True, False],
    "word": WORDS,
    "short": WORDS,
    "mood": ["sad", "ok"],
    "domain": WORDS,
    "at": list(TIMES),
    "wall": list(TIMES),
    "day": list(DATES),
    "key": UUIDS,
    "texts": WORDS,
    "doc": JSONS,
    "olddoc": JSONS,
}
UNORDERED = {"flag", "key"}
CONTAINERS = {"texts", "doc", "olddoc"}
TEXTS = {"word", "short", "domain", "mood"}


def read(name: str, value: Any) -> Any:
    """What a JSON value means, as asyncpg gives the column."""
    match name.removeprefix("user."):
        case "exact":
            return Decimal(str(value))
        case "at":
            return TIMES[value]
        case "wall":
            return TIMES[value].replace(tzinfo=None)
        case "day":
            return DATES[value]
        case "key":
            return UUID(value)
        case _:
            return value


async def lay(connection: asyncpg.Connection[Any], rng: Random, rows: int) -> None:
    """The tables, with `rows` things of which most have an owner."""
    await sql.lay_tables(connection)
    for number in range(rows):
        for add in (sql.add_owner, sql.add_thing):
            row = {name: _stored(rng, name) for name in VALUES}
            await add(connection, **row, id=number, owner=rng.choice([number, number, None]))


def _stored(rng: Random, name: str) -> Any:
    if rng.random() < 0.25:
        return None
    if name == "texts":
        return rng.sample(WORDS, rng.randint(0, 3))
    value = rng.choice(VALUES[name])
    return json.dumps(value) if name in {"doc", "olddoc"} else read(name, value)


async def columns(connection: asyncpg.Connection[Any]) -> dict[str, Column]:
    names = [*VALUES, "address"]
    return {
        **await read_columns(connection, "things", "t", names),
        **await read_columns(connection, "owners", "o", ["whole", "word", "at"], "user."),
    }


async def things(connection: asyncpg.Connection[Any]) -> dict[int, dict[str, Any]]:
    """Every row by its id, JSON as Python values, with its owner's as `user.` ones."""
    rows = {row["id"]: dict(row) async for row in sql.everything(connection)}
    for row in rows.values():
        for name in ("doc", "olddoc"):
            row[name] = row[name] and Document(json.loads(row[name]))
        for name in ("whole", "word", "at"):
            row[f"user.{name}"] = row.pop(f"user_{name}")
    return rows


def tree(rng: Random, depth: int = 0) -> dict[str, Any]:
    entries: dict[str, Any] = {}
    for _ in range(rng.choice([1, 1, 2, 3])):
        if depth < 4 and rng.random() < 0.45:
            key = rng.choice(["$and", "$or", "$not"])
            entries[key] = (
                tree(rng, depth + 1)
                if key == "$not"
                else [tree(rng, depth + 1) for _ in range(rng.randint(1, 3))]
            )
        else:
            name = rng.choice([*VALUES, "user.whole", "user.word", "user.at", "address"])
            entries[name] = _condition(rng, name)
    return entries


def _condition(rng: Random, name: str) -> Any:
    plain = name.removeprefix("user.")
    if plain in CONTAINERS or plain == "address":
        return {op: _operand(rng, op, plain) for op in _operators(rng, plain)}
    form = rng.random()
    if form < 0.2:
        return _value(rng, plain)
    if form < 0.4:
        return _operand(rng, "$in", plain)
    return {op: _operand(rng, op, plain) for op in _operators(rng, plain)}


def _operators(rng: Random, name: str) -> list[str]:
    allowed = ["$exists"]
    if name != "address":
        if name in CONTAINERS:
            allowed.append("$contains")
        else:
            allowed += ["$eq", "$ne", "$in", "$nin"] if name in UNORDERED else [*ORDERED, "$nin"]
        if name in TEXTS:
            allowed.append("$contains")
    return rng.sample(allowed, rng.randint(1, min(2, len(allowed))))


def _operand(rng: Random, op: str, name: str) -> Any:
    if op == "$exists":
        return rng.random() < 0.5
    if op in {"$in", "$nin"}:
        return [_value(rng, name) for _ in range(rng.randint(1, 3))]
    if op in {"$eq", "$ne"}:
        return _value(rng, name)
    if name == "texts" and rng.random() < 0.4:
        return rng.sample(WORDS, 2)
    return rng.choice(VALUES[name])


def _value(rng: Random, name: str) -> Any:
    return None if rng.random() < 0.15 else rng.choice(VALUES[name])
