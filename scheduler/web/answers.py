"""What an answer looks like: JSON, one form for every error, and the headers they all carry."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any
from uuid import UUID

from aiohttp import web
from multidict import CIMultiDict

from scheduler.errors import LamplighterError

HEADERS = CIMultiDict(
    {
        "Content-Type": "application/json; charset=utf-8",
        "Cache-Control": "no-store",
        "X-Content-Type-Options": "nosniff",
        "Referrer-Policy": "no-referrer",
        # Nothing here is a page: a browser that shows it all the same may load and frame nothing.
        "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
    }
)
MOST_ECHOED = 100
"""Characters of a caller's own text that an error repeats."""


class Refusal(LamplighterError):
    """A request that ends with an error; raised anywhere below a handler."""

    def __init__(
        self,
        status: int,
        error: str,
        *,
        fields: Mapping[str, str] | None = None,
        run_id: UUID | None = None,
        headers: Mapping[str, str] | None = None,
        close: bool = False,
    ) -> None:
        super().__init__(error)
        self.status = status
        self.error = error
        self.fields = fields
        self.run_id = run_id
        self.headers = headers
        self.close = close
        """Whether the connection is of no further use: what follows on it is not a request."""

    def answer(self) -> web.Response:
        body = error_body(self.error, fields=self.fields, run_id=self.run_id)
        response = answer(body, status=self.status, headers=self.headers)
        if self.close:
            response.force_close()
        return response


class Elsewhere(LamplighterError):
    """A request that is answered at another address of this site; raised below a handler."""

    def __init__(self, location: str) -> None:
        super().__init__(location)
        self.location = location

    def answer(self) -> web.Response:
        headers = {"Location": self.location, "Cache-Control": "no-store"}
        return web.Response(status=303, headers={**headers, "Referrer-Policy": "no-referrer"})


def error_body(
    error: str, *, fields: Mapping[str, str] | None = None, run_id: UUID | None = None
) -> dict[str, Any]:
    """`fields` are what is allowed, by the name that the caller used."""
    body: dict[str, Any] = {"success": False, "error": error}
    if fields:
        body["fields"] = dict(fields)
    if run_id is not None:
        body["runId"] = str(run_id)
    return body


def answer(
    body: Mapping[str, Any], *, status: int = 200, headers: Mapping[str, str] | None = None
) -> web.Response:
    response = web.Response(body=json.dumps(body).encode(), status=status, headers=HEADERS)
    if headers:
        response.headers.update(headers)
    return response


def short(text: str) -> str:
    """A caller's own text as an error may repeat it."""
    return text if len(text) <= MOST_ECHOED else text[: MOST_ECHOED - 1] + "…"
