"""The files that pages load: style, scripts, icon. A new content has a new address."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from aiohttp import web

from scheduler.web.answers import Refusal
from scheduler.web.auth import Access
from scheduler.web.route import Route

FOLDER = Path(__file__).parent.parent / "static"
KINDS = {".css": "text/css", ".js": "text/javascript", ".svg": "image/svg+xml"}
FOR_EVER = "public, max-age=31536000, immutable"


@dataclass(frozen=True, slots=True)
class Asset:
    content: bytes
    kind: str
    mark: str
    """Tells this content from any other."""


def address(name: str) -> str:
    return f"/static/{assets()[name].mark}/{name}"


@cache
def assets() -> dict[str, Asset]:
    """By file name; read once, when the first page is asked for."""
    found = {}
    for file in sorted(FOLDER.iterdir()):
        if file.suffix in KINDS:
            content = file.read_bytes()
            mark = hashlib.sha256(content).hexdigest()[:12]
            found[file.name] = Asset(content, KINDS[file.suffix], mark)
    return found


async def asset(request: web.Request) -> web.Response:
    found = assets().get(request.match_info["name"])
    if found is None:
        raise Refusal(404, "there is no such file")
    # While replicas of two versions answer side by side, a page of one may ask the other.
    known = request.match_info["mark"] == found.mark
    return web.Response(
        body=found.content,
        content_type=found.kind,
        charset="utf-8",
        headers={
            "Cache-Control": FOR_EVER if known else "no-store",
            "X-Content-Type-Options": "nosniff",
            "Referrer-Policy": "no-referrer",
            "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
            "Cross-Origin-Resource-Policy": "same-origin",
        },
    )


ROUTES = (Route("GET", "/static/{mark}/{name}", Access.OPEN, asset, "", {}),)
