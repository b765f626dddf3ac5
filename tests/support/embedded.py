"""What do the tests of the embedded PostgreSQL share: servers, other processes, their ends?"""

from __future__ import annotations

import json
import os
import select
import subprocess
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import asyncpg
import pytest

from scheduler.db.embedded import Acquired, EmbeddedServer
from scheduler.db.embedded.processes import pid_in
from tests.support.postgres import chosen_binaries

ROOT = Path(__file__).parents[2]
AS_ROOT = os.geteuid() == 0
as_root = pytest.mark.skipif(not AS_ROOT, reason="only root drops to another user")


@asynccontextmanager
async def serving(data_dir: Path, replica: str = "here", **more: Any) -> AsyncIterator[Any]:
    """A server object that is released at the end."""
    more.setdefault("only", chosen_binaries())
    server = EmbeddedServer(data_dir, replica, elsewhere=data_dir.parent / "elsewhere", **more)
    try:
        yield server
    finally:
        await server.release()


async def ask(acquired: Acquired, query: str, *values: object) -> Any:
    connection = await asyncpg.connect(acquired.dsn, timeout=10, command_timeout=30)
    try:
        return await connection.fetchval(query, *values)
    finally:
        await connection.close()


def postmaster(data_dir: Path) -> int:
    pid = pid_in(data_dir / "postgres" / "postmaster.pid")
    assert pid is not None
    return pid


def ended(pid: int) -> Callable[[], bool]:
    """Begin to watch a process; the answer waits for its end, 20 seconds at most."""
    descriptor = os.pidfd_open(pid)

    def wait() -> bool:
        try:
            return bool(select.select([descriptor], [], [], 20)[0])
        finally:
            os.close(descriptor)

    return wait


class Other:
    """Another process that holds, or is attached to, an embedded server."""

    def __init__(self, data_dir: Path, replica: str, *options: str) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-m", "tests.support.embedded_owner", data_dir, replica, *options],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            cwd=ROOT,
        )

    def said(self) -> dict[str, Any]:
        assert self.process.stdout is not None
        answer: dict[str, Any] = json.loads(self.process.stdout.readline())
        return answer

    def end(self) -> int:
        self.process.communicate(timeout=20)
        return self.process.returncode
