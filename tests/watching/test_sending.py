"""Messages reach real channels, and a channel that hangs costs nothing but its process."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from scheduler.alerting import Kind
from scheduler.incident import Notice
from scheduler.watching.alerts.sending import channels_of, send, usable
from scheduler.watching.alerts.words import message
from tests.support.channels import Hook, hook
from tests.support.mail import mail_server

NOW = datetime(2026, 3, 10, 12, 0, tzinfo=UTC)


@pytest.fixture
async def channel() -> AsyncIterator[Hook]:
    async with hook() as made:
        yield made


async def call(url: str, body: str = "body", *, seconds: float = 30) -> str | None:
    [one] = channels_of([url])
    return await send(one, "work: failed", body, is_good=False, seconds=seconds)


def children() -> str:
    listed = subprocess.run(
        ["ps", "-o", "args=", "--ppid", str(os.getpid())],
        capture_output=True,
        check=True,
        text=True,
    )
    return listed.stdout


async def test_a_message_arrives_as_it_was_written(channel: Hook) -> None:
    body = "one\n\n<b>two</b> \\n {{ three }}\nfile:///etc/passwd"
    assert await call(channel.url, body) is None
    [taken] = channel.taken
    assert (taken["title"], taken["message"], taken["type"]) == ("work: failed", body, "failure")
    assert taken["attachments"] == []
    assert "apprise" not in sys.modules


@pytest.mark.parametrize(("status", "reason"), [(403, "answered 403"), (500, "answered 500")])
async def test_a_refusal_is_told_in_words_of_our_own(
    channel: Hook, status: int, reason: str
) -> None:
    channel.status = status
    assert await call(channel.url) == reason


async def test_nobody_there() -> None:
    assert await call("json://localhost:1/very-secret-path") == "could not be reached"


async def test_a_channel_that_hangs_is_left_when_its_time_is_over(channel: Hook) -> None:
    channel.hangs = True
    calling = asyncio.create_task(call(f"{channel.url}?rto=60", seconds=5))
    await channel.until(calls=1)
    shown = children()
    assert "scheduler.watching.alerts.sending" in shown
    assert "very-secret-path" not in shown
    assert await calling == "no answer within 5 s"
    assert "scheduler.watching.alerts.sending" not in children()


async def test_a_call_that_is_cancelled_leaves_no_process(channel: Hook) -> None:
    channel.hangs = True
    calling = asyncio.create_task(call(channel.url))
    await channel.until(calls=1)
    calling.cancel()
    with pytest.raises(asyncio.CancelledError):
        await calling
    assert "scheduler.watching.alerts.sending" not in children()


async def test_addresses_are_checked_without_calling_anybody(channel: Hook) -> None:
    channels = channels_of([channel.url, "nobody://knows", "mailto://"])
    reason = "is no address that Apprise can use"
    assert await usable(channels) == [None, reason, reason]
    assert await call("nobody://knows") == reason
    assert channel.calls == 0


async def test_an_address_is_never_shown() -> None:
    [one] = channels_of(["json://user:very-secret@host/path"])
    assert str(one) == "1 (json)"
    assert "very-secret" not in repr(one)


async def test_a_mail_has_hostile_texts_as_texts(tmp_path: Path) -> None:
    hostile = '<img src="x" onerror="y"> & <a href="https://evil.test">free</a>\r\nBcc: x@evil.test'
    notice = Notice(Kind.FAILED, "work", "work", NOW, NOW, words=f"ValueError: {hostile}")
    made = message([notice], "host-1", "https://lamp.example.com")
    async with mail_server(tmp_path) as server:
        url = f"mailto://localhost:{server.port}?from=lamp@example.com&to=ops@example.com&mode=insecure&format=html"
        [one] = channels_of([url])
        assert await send(one, made.title, made.body, is_good=False) is None
        # Even what was not made harmless before is text to a channel of HTML.
        assert await send(one, "raw", hostile, is_good=False) is None
        first, second = server.messages()
        lines = server.lines()
    assert first["Subject"] == "work: failed"
    assert {tuple(line["to"]) for line in lines} == {("ops@example.com",)}
    for one_message in (first, second):
        html = one_message.get_body(("html",))
        assert html is not None
        assert "<img" not in html.get_content()
        assert "<a " not in html.get_content()
    assert "evil.test" in second.as_string()
