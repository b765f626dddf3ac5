"""SQL lives in `.sql` files beside its owner; this reads them.

A file holds aiosql queries (`-- name: reset^`), and may hold conditions that several of them share:

    -- fragment: due
    u.credits_reset_at < :day_start

    -- name: stretches
    SELECT u.id FROM app_users u WHERE {due};
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any, Protocol

import aiosql

IDENTIFIER = re.compile(r"[a-z_][a-z0-9_]{0,62}", re.ASCII)
PLACEHOLDER = re.compile(r"\{(\w+)\}")
COMMENT_LINE = re.compile(r"^[ \t]*--.*\n?", re.MULTILINE)
BLOCK = re.compile(r"^-- (name|fragment): *(\w*)", re.MULTILINE)


class Query(Protocol):
    """One named query, as aiosql makes it.

    What a call gives depends on the name's mark in the file: `^` an awaitable row or None, `$` an
    awaitable value, `!` an awaitable status, no mark an async iterator of rows.
    """

    sql: str
    """The text as PostgreSQL gets it."""

    def __call__(self, connection: object, /, **parameters: object) -> Any: ...


class Queries(Protocol):
    """The queries of one file by name."""

    def __getattr__(self, name: str, /) -> Query: ...


def load_sql(owner: str, *shared: Path, **identifiers: str | None) -> Queries:
    """The queries of the `.sql` file beside `owner` (pass `__file__`).

    `{name}` in the file stands for the fragment of that name, there or in a `shared` file, or for
    the identifier given here: for tables whose columns have other names in some products, or are
    not there at all (None, which stands for NULL). Raises `ValueError` for an identifier that is
    not plain lower case, and for a placeholder that stands for nothing.
    """
    path = Path(owner).with_suffix(".sql")
    known: dict[str, str] = {}
    for name, identifier in identifiers.items():
        if identifier is not None and not IDENTIFIER.fullmatch(identifier):
            raise ValueError(
                f"{path.name}: {identifier!r} is not a plain SQL identifier (a-z, 0-9 and _)"
            )
        known[name] = "NULL" if identifier is None else f'"{identifier}"'
    queries = ""
    for file in (*shared, path):
        for kind, name, block in _blocks(file.read_text(encoding="utf-8")):
            text = _fill(block, known, file.name)
            if kind == "fragment":
                # In the middle of a query, a quote in a comment would be taken for one of a text.
                known[name] = COMMENT_LINE.sub("", text).strip()
            else:
                queries += text
    return _Unread(queries)


class _Unread:
    """Queries that are taken apart when the first one is asked for: a start does not need most."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._queries: Queries | None = None

    def __getattr__(self, name: str, /) -> Query:
        if self._queries is None:
            self._queries = aiosql.from_str(self._text, "asyncpg", mandatory_parameters=False)
        query: Query = getattr(self._queries, name)
        return query


def _blocks(text: str) -> list[tuple[str, str, str]]:
    """Every block as kind (`name` or `fragment`), name and text; a query's with its first line."""
    starts = list(BLOCK.finditer(text))
    ends = [start.start() for start in starts[1:]] + [len(text)]
    return [
        (start[1], start[2], text[start.end() if start[1] == "fragment" else start.start() : end])
        for start, end in zip(starts, ends, strict=True)
    ]


def _fill(text: str, known: dict[str, str], file: str) -> str:
    def replacement(match: re.Match[str]) -> str:
        if match[1] not in known:
            raise ValueError(
                f"{file}: {match[0]} stands for nothing; it takes a fragment above, or load_sql's "
                f"{match[1]}="
            )
        return known[match[1]]

    return PLACEHOLDER.sub(replacement, text)
