"""Which condition do criteria mean in SQL? Pure: text made of nothing but what stands here and the
expressions of the allowed columns, and values that are bound.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from jobs.criteria.columns import Column
from jobs.criteria.errors import CriteriaError, Path, Unfit, shown

MOST_DEPTH = 10
"""Of `$and`, `$or` and `$not` in each other."""
MOST_CONDITIONS = 200
MOST_VALUES = 1_000
"""In one list."""

PLACE = "'the criteria' IS NOT NULL"
"""Where a statement in a `.sql` file takes the condition; true as it stands there."""

NESTING = ("$and", "$or", "$not")
COMPARISONS = {
    "$eq": "=",
    "$ne": "IS DISTINCT FROM",
    "$gt": ">",
    "$gte": ">=",
    "$lt": "<",
    "$lte": "<=",
}


@dataclass(frozen=True, slots=True)
class Condition:
    text: str
    """In brackets, or `TRUE`."""
    values: tuple[object, ...]
    """For the placeholders in `text`, in their order."""


def compile_criteria(
    criteria: object, columns: Mapping[str, Column], now: datetime, first: int = 1
) -> Condition:
    """The condition that `criteria` mean; its placeholders are numbered from `first` on.

    `columns` are all that may be named. `now` (aware) is what relative times are counted from, in
    its zone. Raises `CriteriaError`.
    """
    compiler = _Compiler(columns, now, first)
    text = "TRUE" if criteria == {} else compiler.all_of(criteria, ())
    return Condition(text, tuple(compiler.values))


def placed(statement: str, condition: str) -> str:
    """The statement with the condition wherever it says `PLACE`; at least once."""
    if PLACE not in statement:
        raise ValueError(f"the statement has no place for criteria: {PLACE}")
    return statement.replace(PLACE, condition)


def first_free(statement: str) -> int:
    """The number of the first placeholder that the statement itself does not use."""
    return max((int(number) for number in re.findall(r"\$(\d+)", statement)), default=0) + 1


@dataclass
class _Compiler:
    columns: Mapping[str, Column]
    now: datetime
    first: int
    values: list[object] = field(default_factory=list)
    conditions: int = 0
    depth: int = 0

    def all_of(self, criteria: object, path: Path) -> str:
        """An object of columns and `$and`, `$or`, `$not`."""
        if not isinstance(criteria, dict):
            raise CriteriaError(
                path, f"is {shown(criteria)}; it must be an object of columns and conditions"
            )
        if not criteria:
            raise CriteriaError(path, "is empty; say at least one condition")
        parts = [
            self._nested(key, value, (*path, key))
            if key.startswith("$")
            else self._column(key, value, (*path, key))
            for key, value in criteria.items()
        ]
        return f"({' AND '.join(parts)})"

    def _nested(self, key: str, value: object, path: Path) -> str:
        if key not in NESTING:
            hint = "; it belongs behind a column" if key in OPERATORS else ""
            raise CriteriaError(path, f"is none of {', '.join(NESTING)}{hint}")
        if self.depth == MOST_DEPTH:
            raise CriteriaError(path, f"is nested too deep: at most {MOST_DEPTH} levels")
        self.depth += 1
        if key == "$not":
            text = f"({self.all_of(value, path)} IS NOT TRUE)"
        else:
            if not isinstance(value, list) or not value:
                raise CriteriaError(path, f"is {shown(value)}; it must be a list of objects")
            joined = " AND " if key == "$and" else " OR "
            parts = (self.all_of(item, (*path, number)) for number, item in enumerate(value))
            text = f"({joined.join(parts)})"
        self.depth -= 1
        return text

    def _column(self, name: str, value: object, path: Path) -> str:
        column = self.columns.get(name)
        if column is None:
            allowed = ", ".join(sorted(self.columns))
            raise CriteriaError(path, f"is no column that criteria may name; there are {allowed}")
        match value:
            case list():
                return self._operator(column, "$in", value, path)
            case dict() if not value:
                raise CriteriaError(path, f"is empty; {_takes(column)}")
            case dict():
                parts = [
                    self._operator(column, operator, operand, (*path, operator))
                    for operator, operand in value.items()
                ]
                return f"({' AND '.join(parts)})"
            case _:
                return self._operator(column, "$eq", value, path)

    def _operator(self, column: Column, operator: str, value: object, path: Path) -> str:
        self.conditions += 1
        if self.conditions > MOST_CONDITIONS:
            raise CriteriaError(path, f"is one too many: at most {MOST_CONDITIONS} conditions")
        if operator not in column.type.operators:
            raise CriteriaError(path, f"does not go with this column; {_takes(column)}")
        match operator:
            case "$exists":
                if not isinstance(value, bool):
                    raise CriteriaError(path, f"is {shown(value)}; it must be true or false")
                return f"({column.sql} IS {'NOT ' if value else ''}NULL)"
            case "$in":
                return self._one_of(column, value, path)
            case "$nin":
                return f"({self._one_of(column, value, path)} IS NOT TRUE)"
            case "$contains":
                return self._contains(column, value, path)
            case "$eq" | "$ne" if value is None:
                return f"({column.sql} IS {'NOT ' if operator == '$ne' else ''}NULL)"
            case _:
                bound = self._bind(column, value, path)
                return f"({column.sql} {COMPARISONS[operator]} {bound})"

    def _one_of(self, column: Column, value: object, path: Path) -> str:
        if not isinstance(value, list) or not 0 < len(value) <= MOST_VALUES:
            raise CriteriaError(
                path, f"is {shown(value)}; it must be a list of 1 to {MOST_VALUES:,} values"
            )
        read = [
            self._read(column, item, (*path, number))
            for number, item in enumerate(value)
            if item is not None
        ]
        parts = [f"{column.sql} = ANY ({self._placeholder(read)}::{column.type.sql}[])"]
        if len(read) < len(value):
            parts.append(f"{column.sql} IS NULL")
        return f"({' OR '.join(parts)})"

    def _contains(self, column: Column, value: object, path: Path) -> str:
        if column.type.sql == "text":
            # Some collations cannot search before PostgreSQL 18, and letters are letters in "C".
            bound = self._bind(column, value, path)
            return f'(strpos({column.sql} COLLATE "C", {bound}) > 0)'
        return f"({column.sql} @> {self._bind(column, value, path)})"

    def _bind(self, column: Column, value: object, path: Path) -> str:
        placeholder = self._placeholder(self._read(column, value, path))
        # JSON is bound as text, whatever the connection's own way with JSON is.
        cast = "text::jsonb" if column.type.sql == "jsonb" else column.type.sql
        return f"{placeholder}::{cast}"

    def _placeholder(self, value: object) -> str:
        self.values.append(value)
        return f"${self.first + len(self.values) - 1}"

    def _read(self, column: Column, value: object, path: Path) -> object:
        try:
            return column.type.read(value, self.now)
        except Unfit:
            raise CriteriaError(
                path, f"is {shown(value)}; it must be {column.type.wanted}"
            ) from None


OPERATORS = (*COMPARISONS, "$in", "$nin", "$contains", "$exists")


def _takes(column: Column) -> str:
    return f"it takes {', '.join(column.type.operators)}"
