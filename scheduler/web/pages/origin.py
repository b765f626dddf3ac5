"""Does a form come from a page of ours? The browser says where it was sent from."""

from __future__ import annotations

from urllib.parse import urlsplit

from aiohttp import web

from scheduler.web.answers import Refusal
from scheduler.web.keys import DAEMON, PEERS

ELSEWHERE = "this form was not sent from a page of this daemon, so nothing was done"


def check_origin(request: web.Request) -> None:
    """Raises a 403 for a form of another site, or one that does not say where it is from."""
    site = request.headers.get("Sec-Fetch-Site")
    origin = request.headers.get("Origin")
    if site is not None:
        # The browser's own word. It is sent only where the page is safe: https, or localhost.
        if site != "same-origin":
            raise Refusal(403, ELSEWHERE)
    elif origin is None:
        raise Refusal(403, f"{ELSEWHERE}: the browser does not say where it is from")
    elif _place(origin) not in _our_places(request):
        raise Refusal(403, ELSEWHERE)


def is_https(request: web.Request) -> bool:
    """Whether people reach this page by https: `PUBLIC_URL` says so, or a trusted proxy."""
    public = request.app[DAEMON].settings.public_url
    if public is not None and public.startswith("https:"):
        return True
    return request.app[PEERS].scheme(request) == "https"


def _our_places(request: web.Request) -> set[str]:
    """Names, with ports, by which this daemon is called."""
    places = {request.headers.get("Host", "")}
    if public := request.app[DAEMON].settings.public_url:
        places.add(urlsplit(public).netloc)
    if forwarded := request.app[PEERS].forwarded_host(request):
        places.add(forwarded)
    return {_plain(place) for place in places if place}


def _place(origin: str) -> str:
    """`null`, where the browser hides it, is no place of ours."""
    try:
        parts = urlsplit(origin)
    except ValueError:
        return ""
    return _plain(parts.netloc) if parts.scheme in {"http", "https"} else ""


def _plain(place: str) -> str:
    return place.strip().lower().removesuffix(":443").removesuffix(":80")
