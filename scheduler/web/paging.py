"""Lists in pages: `?limit=` and `?before=`, and the cursor to the next page."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar
from uuid import UUID

from aiohttp import web

from scheduler.web.answers import Refusal, answer
from scheduler.web.body import read_query, refuse_unknown

DEFAULT_LIMIT = 50
MAX_LIMIT = 200
MAX_CURSOR = 2**63 - 1

LIMIT = {"type": "integer", "minimum": 1, "maximum": MAX_LIMIT, "default": DEFAULT_LIMIT}
BEFORE = {"type": "string", "description": "The `next` of the page before."}

Row = TypeVar("Row")


@dataclass(frozen=True, slots=True)
class Page:
    limit: int
    before: int | None
    filters: Mapping[str, str]

    @property
    def most(self) -> int:
        """One more than is shown: it tells whether a page follows."""
        return self.limit + 1

    def answer(
        self,
        rows: Sequence[Row],
        view: Callable[[Row], dict[str, Any]],
        cursor: Callable[[Row], int],
    ) -> web.Response:
        shown = rows[: self.limit]
        more = len(rows) > self.limit
        return answer(
            {
                "items": [view(row) for row in shown],
                "next": str(cursor(shown[-1])) if more else None,
            }
        )


def page_asked(request: web.Request, filters: Mapping[str, Sequence[str] | None]) -> Page:
    """The page that the query asks for; `filters` with the values that each allows, if not all."""
    query = read_query(request)
    limit = _number(query, "limit", f"a whole number from 1 to {MAX_LIMIT}", MAX_LIMIT)
    before = _number(query, "before", "the `next` of the page before", MAX_CURSOR)
    unknown = {name: value for name, value in query.items() if name not in filters}
    if unknown:
        refuse_unknown(unknown, ", ".join([*filters, "limit", "before"]))
    for name, value in query.items():
        values = filters[name]
        if values is not None and value not in values:
            allowed = "one of " + ", ".join(values)
            raise Refusal(422, f"{name} must be {allowed}", fields={name: allowed})
    return Page(limit or DEFAULT_LIMIT, before, query)


def place_asked(request: web.Request) -> tuple[int, UUID | None]:
    """`?limit=`, and a `?before=` that is an id: for lists that have no numbers."""
    query = read_query(request)
    limit = _number(query, "limit", f"a whole number from 1 to {MAX_LIMIT}", MAX_LIMIT)
    before = query.pop("before", None)
    if query:
        refuse_unknown(query, "limit, before")
    try:
        return limit or DEFAULT_LIMIT, UUID(before) if before is not None else None
    except ValueError:
        allowed = "the `next` of the page before"
        raise Refusal(422, f"before must be {allowed}", fields={"before": allowed}) from None


def days_asked(request: web.Request, *, default: int, most: int = 3650) -> int:
    """`?days=`: how far back."""
    query = read_query(request)
    days = _number(query, "days", f"a whole number from 1 to {most}", most)
    if query:
        refuse_unknown(query, "days")
    return days or default


def _number(query: dict[str, str], name: str, allowed: str, most: int) -> int | None:
    text = query.pop(name, None)
    if text is None:
        return None
    plain = text.isascii() and text.isdigit() and len(text) <= len(str(most))
    if not plain or not 1 <= int(text) <= most:
        raise Refusal(422, f"{name} must be {allowed}", fields={name: allowed})
    return int(text)
