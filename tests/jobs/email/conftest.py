"""A queue on a fresh database, and a mail server in a process of its own."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path

import pytest

from scheduler.services import Mail
from tests.support.jobs import Product
from tests.support.mail import MailServer, Post, mail_server


@pytest.fixture
def post(shop: Product, tmp_path: Path) -> Post:
    """Messages become files, until `by_smtp`."""
    return Post(shop, Mail(folder=tmp_path / "mail"))


@pytest.fixture
async def server(tmp_path: Path) -> AsyncIterator[MailServer]:
    folder = tmp_path / "server"
    folder.mkdir()
    async with mail_server(folder) as made:
        yield made


@pytest.fixture
async def wire(post: Post, server: MailServer) -> Post:
    """A queue that is sent to the server. Lamplighter came long before."""
    came = post.now - timedelta(days=30)
    await post.shop.pool.execute("UPDATE lamplighter.watermarks SET at = $1", came)
    post.by_smtp(server.url)
    return post
