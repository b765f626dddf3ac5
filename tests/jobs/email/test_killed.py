"""Killed between any two steps of sending, does everybody who is due get one message, and no other?

`LAMPLIGHTER_KILLS=200` for more kills than by default.
"""

from __future__ import annotations

import asyncio
import os
import random
import sys
from asyncio.subprocess import PIPE
from collections import defaultdict
from pathlib import Path

import pytest

from tests.support.mail import MailServer, Post

KILLS = int(os.environ.get("LAMPLIGHTER_KILLS", "66"))
ROOT = Path(__file__).parents[3]
STEPS = 66
"""One more than there are in a run of two messages."""


@pytest.mark.timeout(300)
async def test_nobody_gets_another_message_and_nobody_gets_none(
    wire: Post, server: MailServer, database: str
) -> None:
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "tests.jobs.email.killed_sender", database, server.url),
        cwd=ROOT,
        stdin=PIPE,
        stdout=PIPE,
    )
    assert process.stdin is not None
    assert process.stdout is not None
    # Evenly over all steps, in an order that is not always the same moment of the machine.
    steps = [1 + n * STEPS // KILLS if KILLS < STEPS else 1 + n % STEPS for n in range(KILLS)]
    random.Random(4).shuffle(steps)
    killed = 0
    try:
        for step in steps:
            await wire.crowd(2)
            process.stdin.write(f"{step}\n".encode())
            said = (await asyncio.wait_for(process.stdout.readline(), 30)).decode().strip()
            assert said in {"killed", "ended 0"}
            killed += said == "killed"
            await wire.run()
            assert set(await wire.states()) == {"sent"}, step
    finally:
        process.kill()
        await process.wait()
    got: dict[str, list[str]] = defaultdict(list)
    for line in server.lines():
        got[line["to"][0]].append(line["id"])
    due = {row["to_email"] for row in await wire.rows()}
    assert set(got) == due
    assert {len(set(ids)) for ids in got.values()} == {1}
    # A second message came only where the run died between the answer and the commit.
    twice = sum(len(ids) - 1 for ids in got.values())
    assert twice <= killed * 2
    assert killed > KILLS // 2
    assert len(await wire.rows("logs")) == len(due)
    assert len(await wire.rows("events")) == len(due)
    assert await wire.shop.pool.fetchval("SELECT count(*) FROM lamplighter.sending") == 0
    sys.stdout.write(f"{killed} kills, {len(due)} messages, {twice} came twice, same Message-ID\n")
