"""A real mail server on loopback, where it is installed: Postfix, throwing mail away."""

from __future__ import annotations

import asyncio
import os
import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from tempfile import mkdtemp
from time import perf_counter

from bench.processes import PATIENCE, free_port, run

POSTFIX = Path("/usr/sbin/postfix")
MAIN = """
compatibility_level = 3.6
inet_interfaces = 127.0.0.1
inet_protocols = ipv4
myhostname = mail.test
mydestination =
mynetworks = 127.0.0.0/8
queue_directory = {home}/queue
data_directory = {home}/data
maillog_file = {home}/log
maillog_file_prefixes = {home}
default_transport = discard:
relay_transport = discard:
virtual_transport = discard:
"""
MASTER = """
{port} inet n - n - - smtpd
cleanup unix n - n - 0 cleanup
qmgr unix n - n 300 1 qmgr
rewrite unix - - n - - trivial-rewrite
bounce unix - - n - 0 bounce
defer unix - - n - 0 bounce
proxymap unix - - n - - proxymap
anvil unix - - n - 1 anvil
discard unix - - n - - discard
postlog unix-dgram n - n - 1 postlogd
"""


def is_usable() -> bool:
    """Postfix is to be started by root."""
    return POSTFIX.exists() and os.geteuid() == 0


@asynccontextmanager
async def postfix() -> AsyncIterator[int]:
    """Its port, as long as it is wanted."""
    home = Path(mkdtemp(prefix="lamplighter-postfix-"))
    home.chmod(0o755)
    port = free_port()
    etc = home / "etc"
    for folder in (etc, home / "queue", home / "data"):
        folder.mkdir()
    shutil.chown(home / "data", "postfix")
    (etc / "main.cf").write_text(MAIN.format(home=home), encoding="utf-8")
    (etc / "master.cf").write_text(MASTER.format(port=port), encoding="utf-8")
    await run(str(POSTFIX), "-c", str(etc), "start")
    try:
        await _until_it_answers(port)
        yield port
    finally:
        await run(str(POSTFIX), "-c", str(etc), "stop")
        shutil.rmtree(home, ignore_errors=True)


async def _until_it_answers(port: int) -> None:
    deadline = perf_counter() + PATIENCE
    while perf_counter() < deadline:
        try:
            _, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.close()
        except OSError:
            await asyncio.sleep(0.05)
        else:
            return
    raise RuntimeError("Postfix does not answer")
