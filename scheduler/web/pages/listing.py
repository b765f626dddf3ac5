"""What does the address of a list ask for: filters, and a place in it?"""

from __future__ import annotations

from collections.abc import Mapping
from urllib.parse import urlencode
from uuid import UUID

from aiohttp import web

from scheduler.web.answers import Refusal
from scheduler.web.body import read_query

MOST_DIGITS = 18


def filters_asked(request: web.Request, *names: str) -> dict[str, str]:
    """Those that are given. A form sends empty ones too, which ask for nothing; what else stands in
    the address is not for us.
    """
    query = read_query(request)
    return {name: query[name].strip() for name in names if query.get(name, "").strip()}


def number_asked(filters: Mapping[str, str], name: str) -> int | None:
    """Raises a 422 where it is no number."""
    text = filters.get(name)
    if text is None:
        return None
    if not (text.isascii() and text.isdigit() and len(text) <= MOST_DIGITS):
        raise Refusal(422, f"{name} must be a number", fields={name: "a number"})
    return int(text)


def id_given(filters: Mapping[str, str], name: str) -> UUID | None:
    """Raises a 422 where it is no id."""
    text = filters.get(name)
    try:
        return UUID(text) if text is not None else None
    except ValueError:
        raise Refusal(422, f"{name} must be an id", fields={name: "an id"}) from None


def address(path: str, filters: Mapping[str, str | None], **further: object) -> str:
    """The same list from another place on."""
    values = {**filters, **{name: str(value) for name, value in further.items()}}
    query = urlencode({name: value for name, value in values.items() if value})
    return f"{path}?{query}" if query else path
