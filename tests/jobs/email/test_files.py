"""Without a mail server, do messages become files, once and whole?"""

from __future__ import annotations

import os
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import pytest

from scheduler.errors import LeaseLostError
from tests.support.jobs import Log
from tests.support.mail import Post, parsed


async def test_messages_become_files(post: Post) -> None:
    reader = await post.reader("ann@example.com")
    message = await post.step_message(reader, "ann@example.com")
    log = Log()
    assert (await post.run(log=log))["sent"] == 1
    [path] = post.mail.folder.iterdir()
    assert path.name == f"{message}.eml"
    mail = parsed(path.read_bytes())
    assert mail["Subject"] == "Hello Ann"
    assert mail["List-Unsubscribe"].startswith("<http://localhost:3003/unsubscribe/")
    assert log.events().count("messages_go_to_files") == 1
    [row] = await post.rows("logs")
    assert row["smtp_response"] == f"250 written to {message}.eml"
    assert (await post.row(message))["status"] == "sent"


@pytest.mark.parametrize("commits", range(12))
async def test_a_second_time_is_the_same_file(post: Post, commits: int) -> None:
    """However far the first run came."""
    await post.crowd(2)
    with suppress(LeaseLostError):
        await post.run(commits_left=commits)
    await post.run()
    assert await post.states() == {"sent": 2}
    assert len(list(post.mail.folder.iterdir())) == 2
    assert len(await post.rows("logs")) == len(await post.rows("events")) == 2


async def test_what_the_product_queued_elsewhere_becomes_no_file(post: Post) -> None:
    """Somebody waits for it, and the product may have another way to send it."""
    post.mail = replace(post.mail, own_database=False)
    await post.shop.pool.execute("UPDATE lamplighter.watermarks SET at = $1", post.now)
    theirs = await post.message()
    reader = await post.reader("ann@example.com")
    ours = await post.step_message(reader, "ann@example.com")
    data = await post.run()
    assert (data["sent"], data["left"]) == (1, 1)
    assert [path.stem for path in post.mail.folder.iterdir()] == [str(ours)]
    assert (await post.row(theirs))["status"] == "pending"


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
async def test_a_folder_that_cannot_be_written(post: Post, tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    await post.crowd(1)
    assert (await post.run())["paused"]
    tmp_path.chmod(0o700)


async def test_a_folder_that_cannot_be_made(post: Post) -> None:
    post.mail.folder.write_text("a file")
    await post.crowd(1)
    assert (await post.run())["paused"]
    assert await post.conditions() == {"outbox": "paused: the folder for messages cannot be made"}
    post.mail.folder.unlink()
    assert (await post.run())["sent"] == 1
    assert await post.conditions() == {}
