"""The programs that are measured: daemons, floors, and PostgreSQL's own commands."""

from __future__ import annotations

import asyncio
import os
import socket
import sys
from asyncio.subprocess import DEVNULL, PIPE, Process
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from time import perf_counter
from typing import Any
from urllib.parse import urlsplit, urlunsplit

import aiohttp

from scheduler.db.embedded.binaries import debian, wheel

FLOOR = Path(__file__).with_name("floor.py")
SECRET = "dev-admin-secret"  # noqa: S105 - the published one, for loopback
PATIENCE = 60.0
OURS = ("DATABASE_URL", "LAMPLIGHTER_", "CRON_", "ADMIN_", "HOST", "PORT", "PUBLIC_", "LOG_")


def environment(home: Path, schedule: str, **values: str) -> dict[str, str]:
    """Ours without any setting of lamplighter; byte code is kept, as it is in an installation."""
    config = home / "config.yaml"
    config.write_text(schedule, encoding="utf-8")
    dropped = (*OURS, "PYTHONDONTWRITEBYTECODE")
    kept = {name: value for name, value in os.environ.items() if not name.startswith(dropped)}
    return {**kept, "LAMPLIGHTER_CONFIG": str(config), "SECRETS_DIR": str(home), **values}


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@dataclass(frozen=True)
class Running:
    process: Process
    port: int
    seconds: float
    """From its start until it was ready."""

    @property
    def memory(self) -> float:
        """Resident memory of this process alone, in MiB."""
        for line in Path(f"/proc/{self.process.pid}/status").read_text("utf-8").splitlines():
            if line.startswith("VmRSS:"):
                return int(line.split()[1]) / 1024
        raise RuntimeError(f"no VmRSS for process {self.process.pid}")

    @property
    def cpu_seconds(self) -> float:
        stat = Path(f"/proc/{self.process.pid}/stat").read_text("utf-8").rpartition(")")[2].split()
        return (int(stat[11]) + int(stat[12])) / os.sysconf("SC_CLK_TCK")

    async def get(self, path: str) -> Any:
        headers = {"Authorization": f"Bearer {SECRET}"}
        url = f"http://127.0.0.1:{self.port}{path}"
        async with aiohttp.ClientSession(headers=headers) as session, session.get(url) as response:
            return await response.json()


@asynccontextmanager
async def daemon(home: Path, schedule: str, **values: str) -> AsyncIterator[Running]:
    """`lamplighter serve`, ready; stopped afterwards. Its log is `daemon.log` in `home`."""
    port = free_port()
    env = environment(home, schedule, PORT=str(port), LOG_FORMAT="json", **values)
    with (home / "daemon.log").open("ab") as log:
        begun = perf_counter()
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "scheduler", "serve"),
            cwd=home,
            env=env,
            stdin=DEVNULL,
            stdout=log,
            stderr=log,
        )
    try:
        await _until_ready(process, port, home / "daemon.log")
        yield Running(process, port, perf_counter() - begun)
    finally:
        await _stop(process)


@asynccontextmanager
async def floor(home: Path, dsn: str) -> AsyncIterator[Running]:
    """The bare process of `floor.py`, ready; stopped afterwards."""
    port = free_port()
    begun = perf_counter()
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, str(FLOOR), dsn, str(port)),
        cwd=home,
        env=environment(home, ""),
        stdin=DEVNULL,
        stdout=PIPE,
    )
    try:
        assert process.stdout is not None
        said = await asyncio.wait_for(process.stdout.readline(), PATIENCE)
        if said != b"ready\n":
            raise RuntimeError(f"the floor's process said {said!r} instead of ready")
        yield Running(process, port, perf_counter() - begun)
    finally:
        await _stop(process)


async def run(*command: str, env: dict[str, str] | None = None, cwd: Path | None = None) -> str:
    """What a program prints. Raises `RuntimeError` with its errors where it fails."""
    process = await asyncio.create_subprocess_exec(
        *command, env=env, cwd=cwd, stdin=DEVNULL, stdout=PIPE, stderr=PIPE
    )
    out, err = await process.communicate()
    if process.returncode:
        raise RuntimeError(f"{command[0]} ended with {process.returncode}: {err.decode()}")
    return out.decode()


async def pg(program: str, *arguments: str) -> str:
    """Run psql or another of PostgreSQL's commands: the wheel's, Debian's, or the path's."""
    places = [place for place in (wheel(), *debian()) if place and (place / program).exists()]
    return await run(str(places[0] / program) if places else program, *arguments)


def dsn_of(dsn: str, database: str) -> str:
    """The same server's other database."""
    return urlunsplit(urlsplit(dsn)._replace(path=f"/{database}"))


async def _until_ready(process: Process, port: int, log: Path) -> None:
    deadline = perf_counter() + PATIENCE
    while perf_counter() < deadline and process.returncode is None:
        try:
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.write(b"GET /readyz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
            status = await reader.readline()
            writer.close()
            if b" 200 " in status:
                return
        except OSError:
            pass  # it does not listen yet
        await asyncio.sleep(0.01)
    raise RuntimeError(f"the daemon is not ready:\n{log.read_text('utf-8')[-3000:]}")


async def _stop(process: Process) -> None:
    if process.returncode is None:
        process.terminate()
        try:
            await asyncio.wait_for(process.wait(), 20)
        except TimeoutError:
            process.kill()
            await process.wait()
