"""The pages as one resource of the router, which imports them when the first one is asked for.

Most daemons are watched by machines: what only people look at shall not cost start-up and memory.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from typing import Any

from aiohttp import web
from yarl import URL

from scheduler.web.auth import Opening, head_of
from scheduler.web.pages import HEADS, LOGIN, all_pages

Resolved = tuple[web.UrlMappingMatchInfo | None, set[str]]


class LazyPages(web.AbstractResource):
    """Everything below the pages' first parts of a path."""

    def __init__(self, opening: Opening) -> None:
        super().__init__()
        self._opening = opening
        self._router: web.UrlDispatcher | None = None
        self._loading = asyncio.Lock()

    async def resolve(self, request: web.Request) -> Resolved:
        if head_of(request.rel_url.path_safe) not in HEADS | {LOGIN}:
            return None, set()
        found = await (await self._loaded()).resolve(request)
        if isinstance(found.http_exception, web.HTTPMethodNotAllowed):
            return None, set(found.http_exception.allowed_methods)
        return (None if found.http_exception else found), set()

    async def _loaded(self) -> web.UrlDispatcher:
        async with self._loading:
            if self._router is None:
                self._router = await asyncio.to_thread(router_of, self._opening)
            return self._router

    @property
    def canonical(self) -> str:
        return "/"

    def url_for(self, **_: str) -> URL:
        return URL("/")

    def add_prefix(self, prefix: str) -> None:
        raise NotImplementedError(f"the pages stand at the root, not below {prefix}")

    def get_info(self) -> Any:
        return {"path": "/"}

    def raw_match(self, path: str) -> bool:
        return path == "/"

    def __len__(self) -> int:
        return 0

    def __iter__(self) -> Iterator[web.AbstractRoute]:
        return iter(())


def router_of(opening: Opening) -> web.UrlDispatcher:
    """Raises `ValueError` for a page that would not be opened as it declares."""
    router = web.UrlDispatcher()
    for route in all_pages():
        if (access := opening.access(route.documented_path)) is not route.access:
            raise ValueError(f"{route.path} would be {access}: name its first part in HEADS")
        router.add_route(route.method, route.path, route.handler)
    return router
