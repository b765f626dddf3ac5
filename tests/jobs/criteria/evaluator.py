"""What do criteria mean for one row? Independent of the compiler, simple and slow."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

Row = Mapping[str, Any]
Reader = Callable[[str, Any], Any]
"""The Python value that a JSON value means for the column of that name."""


@dataclass(frozen=True)
class Document:
    """A JSON column's value; the JSON null is one, and no NULL."""

    value: Any


def matches(criteria: Mapping[str, Any], row: Row, read: Reader) -> bool:
    return all(_entry(key, value, row, read) for key, value in criteria.items())


def _entry(key: str, value: Any, row: Row, read: Reader) -> bool:
    if key == "$and":
        return all(matches(item, row, read) for item in value)
    if key == "$or":
        return any(matches(item, row, read) for item in value)
    if key == "$not":
        return not matches(value, row, read)
    stored = row[key]
    if isinstance(value, dict):
        return all(_holds(op, key, operand, stored, read) for op, operand in value.items())
    return _holds("$in" if isinstance(value, list) else "$eq", key, value, stored, read)


def _holds(op: str, key: str, operand: Any, stored: Any, read: Reader) -> bool:
    match op:
        case "$exists":
            return (stored is not None) is operand
        case "$eq":
            return bool(stored == (None if operand is None else read(key, operand)))
        case "$ne":
            return not _holds("$eq", key, operand, stored, read)
        case "$in":
            return any(_holds("$eq", key, item, stored, read) for item in operand)
        case "$nin":
            return not _holds("$in", key, operand, stored, read)
        case _:
            pass
    if stored is None:
        return False
    if op == "$contains":
        if isinstance(stored, Document):
            return _json_holds(stored.value, operand)
        if isinstance(stored, str):
            return bool(operand in stored)
        return all(item in stored for item in (operand if isinstance(operand, list) else [operand]))
    value = read(key, operand)
    return bool(
        {
            "$gt": stored > value,
            "$gte": stored >= value,
            "$lt": stored < value,
            "$lte": stored <= value,
        }[op]
    )


def _json_holds(stored: Any, wanted: Any) -> bool:
    """PostgreSQL's `@>`; at the top, a list holds a value that stands in it."""
    if isinstance(stored, list) and not isinstance(wanted, list | dict):
        return any(_same_json(item, wanted) for item in stored)
    return _part(stored, wanted)


def _part(stored: Any, wanted: Any) -> bool:
    if isinstance(wanted, dict):
        return isinstance(stored, dict) and all(
            key in stored and _part(stored[key], value) for key, value in wanted.items()
        )
    if isinstance(wanted, list):
        return isinstance(stored, list) and all(
            any(_part(item, value) for item in stored) for value in wanted
        )
    return _same_json(stored, wanted)


def _same_json(left: Any, right: Any) -> bool:
    return isinstance(left, bool) == isinstance(right, bool) and bool(left == right)
