"""What a caller sent along: the query and the body, each name once, nothing of it believed yet."""

from __future__ import annotations

import json
from collections.abc import Mapping
from math import isfinite
from typing import Any, NoReturn

from aiohttp import web
from aiohttp.http_exceptions import HttpProcessingError
from pydantic import JsonValue

from scheduler.web.answers import Refusal, short
from scheduler.web.front import MAX_BODY, too_large
from scheduler.web.server import SlowRequestError

MOST_DEPTH = 32
MOST_WRITTEN = 4 * MAX_BODY
"""Bytes that somebody who is let in may send: a long text takes up to twelve for a character."""


def read_query(request: web.Request) -> dict[str, str]:
    """The query string. A name that stands twice is refused: one of them would be lost."""
    query: dict[str, str] = {}
    for name, value in request.query.items():
        if name in query:
            refuse_twice(name)
        if "\x00" in name or "\x00" in value:
            raise Refusal(422, f"{short(name)!r} in the query has a NUL character")
        query[name] = value
    return query


async def read_object(request: web.Request, most: int = MAX_BODY) -> dict[str, JsonValue]:
    """The body, which must be a JSON object, whatever its content type says; empty is `{}`."""
    body = await read_body(request, most)
    return _parse(body) if body.strip() else {}


async def read_body(request: web.Request, most: int = MAX_BODY) -> bytes:
    """The body as it came, of `most` bytes."""
    encoding = request.headers.get("Content-Encoding", "identity").strip().lower()
    if encoding not in {"", "identity"}:
        raise Refusal(415, "a compressed body is not taken; send it as it is", close=True)
    if request.content_length is not None and request.content_length > most:
        raise too_large(most)
    try:
        return await request.clone(client_max_size=most).read()
    except web.HTTPRequestEntityTooLarge:
        raise too_large(most) from None
    except SlowRequestError as error:
        raise Refusal(408, str(error), close=True) from error
    except (web.RequestPayloadError, HttpProcessingError) as error:
        raise Refusal(400, "the body did not arrive as its headers say", close=True) from error


def _parse(body: bytes) -> dict[str, JsonValue]:
    try:
        found: Any = json.loads(
            body.decode("utf-8-sig"), object_pairs_hook=_once, parse_constant=_no_constant
        )
        # Half a surrogate pair is JSON, and no text that could be kept or shown.
        json.dumps(found, ensure_ascii=False).encode()
    except Refusal:
        raise
    except UnicodeError as error:
        raise Refusal(400, "the body is not UTF-8 text") from error
    except json.JSONDecodeError as error:
        raise Refusal(
            400,
            f"the body is not JSON: {error.msg}, line {error.lineno} column {error.colno}; "
            'an object such as {"days": 30} is expected',
        ) from error
    except (ValueError, RecursionError) as error:
        raise Refusal(400, "the body is JSON that is too deep, or has a number too long") from error
    if not isinstance(found, dict):
        raise Refusal(400, 'the body must be a JSON object such as {"days": 30}')
    if _too_odd(found):
        raise Refusal(400, f"the body may be nested {MOST_DEPTH} deep, without NUL or infinity")
    return found


def _once(pairs: list[tuple[str, JsonValue]]) -> dict[str, JsonValue]:
    found = dict(pairs)
    if len(found) != len(pairs):
        names = [name for name, _ in pairs]
        refuse_twice(next(name for name in names if names.count(name) > 1))
    return found


def _no_constant(name: str) -> NoReturn:
    raise Refusal(400, f"the body is not JSON: it has {name}")


def _too_odd(value: JsonValue, depth: int = 1) -> bool:
    """Whether PostgreSQL would refuse it, or a reader despair of it."""
    if isinstance(value, float):
        return not isfinite(value)
    if isinstance(value, str):
        return "\x00" in value
    if isinstance(value, list | dict):
        if depth > MOST_DEPTH:
            return True
        texts = list(value) if isinstance(value, dict) else []
        items = value.values() if isinstance(value, dict) else value
        return any("\x00" in text for text in texts) or any(
            _too_odd(item, depth + 1) for item in items
        )
    return False


def refuse_twice(name: str) -> NoReturn:
    raise Refusal(
        422, f"{short(name)!r} is given twice", fields={short(name): "may be given only once"}
    )


def refuse_unknown(names: Mapping[str, object], allowed: str) -> NoReturn:
    """Names that nobody asked for; `allowed` are those that are, in words."""
    known = [short(name) for name in list(names)[:10]]
    raise Refusal(
        422,
        f"unknown: {', '.join(known)}; allowed: {allowed}",
        fields=dict.fromkeys(known, f"unknown; allowed: {allowed}"),
    )
