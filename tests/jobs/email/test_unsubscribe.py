"""Does the link in a message let its reader leave, and nobody else, and no program that looks?"""

from __future__ import annotations

import asyncio
import html
import re
from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import pytest
from pydantic import SecretStr

from jobs.email.links import Links, Reader
from jobs.email.unsubscribe import endpoints
from scheduler.services import Mail
from tests.support.machine import START
from tests.support.mail import Post
from tests.web.site import Site, open_site

ONE_CLICK = {"List-Unsubscribe": "One-Click"}


@pytest.fixture
async def site(database: str) -> AsyncIterator[Site]:
    async with (
        aiohttp.ClientSession(auto_decompress=False) as session,
        open_site(database, session, {}, endpoints=endpoints) as made,
    ):
        yield made


@pytest.fixture
async def path(post: Post) -> str:
    """The link of a reader who waits for a message and is in the middle of a sequence."""
    post.now = START
    reader = await post.reader("ann@example.com")
    await post.step_message(reader, "ann@example.com")
    await post.step_message(reader, "ann@example.com", status="sent")
    await post.step_message(
        reader, "ann@example.com", status="failed", attempts=1, next_retry_at=START
    )
    bob = await post.reader("bob@example.com")
    await post.step_message(bob, "bob@example.com")
    sequence = await post.shop.pool.fetchval("SELECT id FROM newsletter_sequences LIMIT 1")
    link = (await post.links()).to(Reader(reader, sequence))
    return link.removeprefix("http://localhost:3003")


async def state(post: Post) -> dict[str, Any]:
    return {
        "readers": await post.shop.pool.fetch(
            "SELECT email, status FROM newsletter_subscribers ORDER BY email"
        ),
        "enrollments": sorted(row["status"] for row in await post.rows("enrollments")),
        "queue": sorted((row["to_email"], row["status"]) for row in await post.rows()),
        "events": [(row["email"], row["event_type"]) for row in await post.rows("events")],
        "suppressions": [
            (row["email"], row["reason"], row["source"]) for row in await post.rows("suppressions")
        ],
    }


LEFT = {
    "readers": [("ann@example.com", "unsubscribed"), ("bob@example.com", "active")],
    "enrollments": ["active", "cancelled", "cancelled", "cancelled"],
    "queue": [
        ("ann@example.com", "cancelled"),
        ("ann@example.com", "cancelled"),
        ("ann@example.com", "sent"),
        ("bob@example.com", "scheduled"),
    ],
    "events": [("ann@example.com", "unsubscribed")],
    "suppressions": [("ann@example.com", "unsubscribed", "link")],
}


async def test_a_look_changes_nothing_and_the_button_acts(
    post: Post, path: str, site: Site
) -> None:
    before = await state(post)
    for _ in range(3):
        page = await site.call(path, secret=None)
        assert (page.status, page.headers["Cache-Control"]) == (200, "no-store")
    assert await state(post) == before
    assert "ann@example.com" in page.text
    # What the page's button sends: a form to its own address.
    assert re.search(r'<form method="post">', page.text)
    [(name, value)] = re.findall(r'<input type="hidden" name="(.*?)" value="(.*?)">', page.text)
    assert "<script" not in page.text
    done = await site.call(path, "POST", secret=None, data={name: value})
    assert done.status == 200
    assert "You are unsubscribed" in done.text
    assert await state(post) == LEFT


async def test_one_click_acts_once(post: Post, path: str, site: Site) -> None:
    """As RFC 8058 has it, several times and at once."""
    answers = await asyncio.gather(
        *(site.call(path, "POST", secret=None, data=ONE_CLICK) for _ in range(5))
    )
    assert {answer.status for answer in answers} == {200}
    assert await state(post) == LEFT
    page = await site.call(path, secret=None)
    assert "any more" in page.text
    assert "<form" not in page.text


async def test_nobody_is_written_to_after_leaving(post: Post, path: str, site: Site) -> None:
    await site.call(path, "POST", secret=None)
    data = await post.run()
    assert (data["sent"], data["suppressed"]) == (1, 0)
    assert [row["to_email"] for row in await post.rows() if row["sent_at"]] == ["bob@example.com"]


async def test_a_bad_link_is_a_page_and_changes_nothing(post: Post, path: str, site: Site) -> None:
    before = await state(post)
    token = path.rpartition("/")[2]
    reader = await post.shop.pool.fetchval("SELECT id FROM newsletter_subscribers LIMIT 1")
    other = Links("", [b"another key"]).to(Reader(reader, None))
    bad = [
        token[:-1],
        token[:-2] + ("AA" if not token.endswith("AA") else "BB"),
        "A" + token[1:] if token[0] != "A" else "B" + token[1:],
        token + "A",
        "x",
        "%00",
        "%F0%9F%8E%89",
        "a" * 5000,
        other.rpartition("/")[2],
    ]
    for text in bad:
        for method in ("GET", "POST"):
            answer = await site.call(f"/unsubscribe/{text}", method, secret=None)
            assert answer.status in {404, 400}, text
    assert "This link does not work" in answer.text
    assert await state(post) == before


async def test_an_address_is_shown_as_text(post: Post, site: Site) -> None:
    hostile = "<script>alert(1)</script>&\"'@example.com"
    reader = await post.reader(hostile)
    link = (await post.links()).to(Reader(reader, None)).removeprefix("http://localhost:3003")
    for method in ("GET", "POST"):
        answer = await site.call(link, method, secret=None)
        assert answer.status == 200
        assert "<script" not in answer.text
        assert html.escape(hostile) in answer.text


async def test_who_was_deleted_is_unsubscribed(post: Post, path: str, site: Site) -> None:
    await post.shop.pool.execute("DELETE FROM newsletter_subscribers")
    for method in ("GET", "POST"):
        answer = await site.call(path, method, secret=None)
        assert (answer.status, "on none of our lists" in answer.text) == (200, True)


async def test_the_key_is_made_once(post: Post) -> None:
    made = await asyncio.gather(*(post.links() for _ in range(8)))
    reader = Reader(await post.reader("ann@example.com"), None)
    assert len({links.to(reader) for links in made}) == 1
    kept = made[0].to(reader).rpartition("/")[2]
    # A key of one's own signs from now on; what the first one signed stays good.
    post.mail = Mail(unsubscribe_key=SecretStr("a key of our own"), public_url="https://x.example")
    links = await post.links()
    own = links.to(reader)
    assert own.startswith("https://x.example/unsubscribe/")
    assert links.read(kept) == links.read(own.rpartition("/")[2]) == reader
    assert made[0].read(own.rpartition("/")[2]) is None


async def test_a_product_without_newsletters_has_no_links(
    database_b: str, path: str, post: Post
) -> None:
    async with (
        aiohttp.ClientSession(auto_decompress=False) as session,
        open_site(database_b, session, {}, endpoints=endpoints) as site,
    ):
        assert (await site.call(path, "POST", secret=None)).status == 404
