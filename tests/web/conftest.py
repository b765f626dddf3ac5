"""A web server on loopback before a real runner on a real database."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import pytest

from tests.web.site import OpenSite, Site, Works, open_site


@pytest.fixture
async def session() -> AsyncIterator[aiohttp.ClientSession]:
    timeout = aiohttp.ClientTimeout(total=30)
    async with aiohttp.ClientSession(timeout=timeout, auto_decompress=False) as made:
        yield made


@pytest.fixture
async def site(database: str, session: aiohttp.ClientSession) -> AsyncIterator[OpenSite]:
    """Open a site with the jobs and settings that the test wants; closed after the test."""
    opened = []

    async def start(works: Works | None = None, **options: Any) -> Site:
        context = open_site(database, session, works or {}, **options)
        made = await context.__aenter__()
        opened.append(context)
        return made

    yield start
    for context in reversed(opened):
        await context.__aexit__(None, None, None)
