"""A real `lamplighter serve` in a process of its own, called over HTTP like any user's."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import aiohttp

from scheduler.settings import Settings

SECRET = "dev-admin-secret"
PATIENCE = 40.0


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def offset_to(moment: datetime) -> str:
    """LAMPLIGHTER_NOW_OFFSET that makes it `moment` now."""
    return str((moment - datetime.now(UTC)).total_seconds())


def seconds_before_the_minute(seconds: float) -> str:
    """LAMPLIGHTER_NOW_OFFSET that makes the next full minute come in `seconds`."""
    now = datetime.now(UTC)
    to_go = 60 - now.second - now.microsecond / 1e6
    return str(to_go - seconds)


def environment(**values: str) -> dict[str, str]:
    """The test process's environment without any setting of ours, and with `values`."""
    ours = {str(f.validation_alias or name.upper()) for name, f in Settings.model_fields.items()}
    kept = {name: value for name, value in os.environ.items() if name not in ours}
    return {**kept, "LOG_FORMAT": "json", **values}


@dataclass
class DaemonProcess:
    """A daemon that was started; `log` is the file its log goes to."""

    process: asyncio.subprocess.Process
    url: str
    log: Path
    session: aiohttp.ClientSession

    async def call(
        self, path: str, method: str = "GET", *, secret: str = SECRET, **options: Any
    ) -> tuple[int, Any]:
        headers = {"Authorization": f"Bearer {secret}"}
        async with self.session.request(
            method, self.url + path, headers=headers, **options
        ) as response:
            return response.status, await response.json(content_type=None)

    async def until_ready(self) -> None:
        await self.until("/readyz", 200)

    async def until(self, path: str, status: int, *, saying: str = "") -> Any:
        """Call `path` until it answers `status`, with these words somewhere in its body."""
        deadline = asyncio.get_running_loop().time() + PATIENCE
        while True:
            if self.process.returncode is not None:
                raise AssertionError(f"the daemon has ended:\n{self.log.read_text()}")
            try:
                answered, body = await self.call(path)
                if answered == status and saying in str(body):
                    return body
            except aiohttp.ClientError as error:
                body = error
            if asyncio.get_running_loop().time() > deadline:
                raise AssertionError(f"{path}: {body}\n{self.log.read_text()}")
            await asyncio.sleep(0.05)

    async def runs(self, query: str = "") -> list[dict[str, Any]]:
        status, body = await self.call(f"/api/v1/runs?limit=200{query}")
        assert status == 200, body
        items: list[dict[str, Any]] = body["items"]
        return items

    async def kill(self) -> None:
        self.process.kill()
        await self.process.wait()

    async def stop(self) -> int:
        if self.process.returncode is None:
            self.process.send_signal(signal.SIGTERM)
        return await self.process.wait()


@asynccontextmanager
async def daemon(
    home: Path,
    schedule: str,
    *,
    name: str = "daemon",
    demo: bool = False,
    module: str = "scheduler",
    **values: str,
) -> AsyncIterator[DaemonProcess]:
    """Start a daemon with `schedule` in `home`, on a free port, without a secret; end it after.

    `module` is another that runs the program.
    """
    home.mkdir(parents=True, exist_ok=True)
    config = home / f"{name}.yaml"
    config.write_text(schedule, encoding="utf-8")
    port = free_port()
    env = environment(
        **{"PORT": str(port), "LAMPLIGHTER_CONFIG": str(config), "SECRETS_DIR": str(home), **values}
    )
    log = home / f"{name}.log"
    with log.open("ab") as output:
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            *("-m", module, "serve", *(["--demo"] if demo else [])),
            env=env,
            cwd=home,
            stdout=output,
            stderr=output,
        )
    async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=55)) as session:
        started = DaemonProcess(process, f"http://127.0.0.1:{port}", log, session)
        try:
            yield started
        finally:
            if process.returncode is None:
                process.kill()
                await process.wait()


@dataclass(frozen=True)
class Output:
    code: int
    out: str
    err: str


async def command(*arguments: str, cwd: Path, **values: str) -> Output:
    """Run `lamplighter ARGUMENTS` as a user would."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "scheduler", *arguments),
        env=environment(**values),
        cwd=cwd,
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    out, err = await process.communicate()
    assert process.returncode is not None
    return Output(process.returncode, out.decode(), err.decode())


def minutes_from(moment: datetime, count: int) -> list[datetime]:
    start = moment.replace(second=0, microsecond=0)
    return [start + timedelta(minutes=n) for n in range(1, count + 1)]
