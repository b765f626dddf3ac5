"""What would a statement read, in the words of the server itself?

The compiler lets nothing through that is not its own. This second guard trusts it in nothing: it
asks PostgreSQL for the plan of the whole statement and holds the tables and functions in it against
those of the same statement without anybody's criteria. Where the product's tables are bridged with
views, what those read is in both.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from jobs.criteria.columns import Column
from jobs.criteria.errors import CriteriaError
from scheduler.job import Connection

LITERAL = re.compile(r"E'(?:[^'\\]|''|\\.)*'|'(?:[^']|'')*'", re.DOTALL)
NAME = r'(?:"(?:[^"]|"")+"|[^\W\d][\w$]*)'
CALL = re.compile(rf"({NAME}(?:\.{NAME})*)\s*\(")
# What stands before a bracket in a plan and calls nothing: words of SQL, types with a length, and
# what the compiler itself makes.
HARMLESS = frozenset(
    {
        *("ALL", "AND", "ANY", "ARRAY", "BETWEEN", "CASE", "DISTINCT", "ELSE", "FROM", "IN", "IS"),
        *("LIKE", "NOT", "OR", "ROW", "SOME", "THEN", "WHEN"),
        *("bit", "bpchar", "char", "character", "interval", "numeric", "time", "timestamp"),
        *("varchar", "varying", "strpos"),
    }
)


@dataclass(frozen=True, slots=True)
class Reach:
    """The tables and functions that a plan names, each with its schema where the plan has it."""

    tables: frozenset[str]
    functions: frozenset[str]


def every_column(columns: Mapping[str, Column]) -> str:
    """A condition that asks for each of the columns: with it, a statement reads all that it may."""
    return f"(ROW({', '.join(column.sql for column in columns.values())}) IS NOT NULL)"


async def reach(connection: Connection, statement: str, *values: object) -> Reach:
    """What the statement would read; it is planned and not run."""
    plan = await connection.fetchval(f"EXPLAIN (VERBOSE, FORMAT JSON) {statement}", *values)
    if isinstance(plan, str):
        plan = json.loads(plan)
    tables: set[str] = set()
    functions: set[str] = set()
    for node in _nodes(plan):
        if "Relation Name" in node:
            tables.add(f"{node.get('Schema', '')}.{node['Relation Name']}")
        if "Function Name" in node:
            functions.add(str(node["Function Name"]))
        for text in _texts(node):
            functions.update(CALL.findall(LITERAL.sub("''", text)))
    return Reach(frozenset(tables), frozenset(functions - HARMLESS))


def hold(found: Reach, allowed: Reach) -> None:
    """Raise `CriteriaError` where `found` goes beyond `allowed`."""
    beyond = sorted((found.tables - allowed.tables) | (found.functions - allowed.functions))
    if beyond:
        raise CriteriaError(
            (), f"would make a statement that reads {', '.join(beyond)}; it was not run"
        )


def _nodes(value: object) -> Iterator[dict[str, object]]:
    if isinstance(value, dict):
        yield value
        for child in value.values():
            yield from _nodes(child)
    elif isinstance(value, list):
        for child in value:
            yield from _nodes(child)


def _texts(node: dict[str, object]) -> Iterator[str]:
    """A node's own texts, those in its lists too, and not those of the nodes below it."""
    for value in node.values():
        if isinstance(value, str):
            yield value
        elif isinstance(value, list):
            yield from (item for item in value if isinstance(item, str))
