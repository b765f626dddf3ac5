"""Which columns may criteria name, how does a statement read them, and what do they take?"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

from jobs.criteria.types import ANY_OTHER, ENUM, TYPES, Type
from scheduler.job import Connection
from scheduler.sql import IDENTIFIER, load_sql

sql = load_sql(__file__)


@dataclass(frozen=True, slots=True)
class Column:
    sql: str
    """How the statement reads it, as the type says."""
    type: Type


async def read_columns(
    connection: Connection, table: str, alias: str, allowed: Collection[str], prefix: str = ""
) -> dict[str, Column]:
    """The `allowed` columns of `table`, or of the view of that name, by what criteria call them.

    The statement that the condition goes into calls the table `alias`; criteria put `prefix` before
    the column's name. Raises `ValueError` for names that are not plain lower case.
    """
    for name in (alias, *allowed):
        if not IDENTIFIER.fullmatch(name):
            raise ValueError(f"{name!r} is not a plain SQL identifier (a-z, 0-9 and _)")
    columns: dict[str, Column] = {}
    async for row in sql.column_types(connection, table=table, allowed=list(allowed)):
        of_type = ENUM if row["is_enum"] else TYPES.get(row["type"], ANY_OTHER)
        read = f'{alias}."{row["name"]}"'
        if of_type is not ANY_OTHER:
            read = f"{read}::{of_type.sql}"
        columns[prefix + row["name"]] = Column(read, of_type)
    return columns
