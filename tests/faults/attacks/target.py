"""The daemon that is attacked: a process of its own, with secrets, on a database with people."""

from __future__ import annotations

import asyncio
import re
import sys
from collections.abc import AsyncIterator, Collection, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import aiohttp
import asyncpg

from scheduler.app import all_jobs
from scheduler.db.pools import prepare_connection
from scheduler.db.product import lay_demo
from scheduler.sql import load_sql
from tests.support import databases
from tests.support.daemon import environment, free_port
from tests.support.machine import connect

CRON = "the-secret-of-the-attacked-crontab"
ADMIN = "the-secret-of-the-attacked-operator"
PREVIOUS = "the-secret-of-the-year-before-last"
PATIENCE = 40.0
GROWTH = 50.0
"""MiB by which a daemon may grow under an attack."""
MAY_BE_SAID = frozenset({503, 504})
"""Of the statuses from 500 on, those that an attacked daemon may answer."""
OF_NOBODY = frozenset({"lamplighter.attempts", "lamplighter.entries"})
"""Tables that the daemon writes by itself while nobody calls: leases, and what it has seen."""


WITH = {"http-request": ', params: {url: "http://127.0.0.1:9/nobody"}'}


def whole_schedule() -> str:
    """Every job there is, at a time that does not come while a test runs."""
    # (A job for one project is called by its project's path; an entry would have to name one.)
    names = sorted(name for name, kind in all_jobs().items() if kind.job.path is None)
    lines = [f'  {name}: {{cron: "0 0 29 2 *"{WITH.get(name, "")}}}' for name in names]
    return "jobs:\n" + "\n".join(lines) + "\n"


async def people(connection: asyncpg.Connection[Any]) -> None:
    """A template: the product's tables with sample data in all of them."""
    await databases.product_a(connection)
    await prepare_connection(connection)
    await lay_demo(connection, now=datetime.now(UTC), users=60, events_per_user=2)


@dataclass
class Target:
    """A daemon under attack."""

    process: asyncio.subprocess.Process
    port: int
    log: Path
    dsn: str
    secrets: Mapping[str, str] = field(
        default_factory=lambda: {"cron": CRON, "admin": ADMIN, "previous": PREVIOUS}
    )

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def megabytes(self) -> float:
        """What it has of the machine's memory, itself without PostgreSQL."""
        status = Path(f"/proc/{self.process.pid}/status").read_text(encoding="ascii")
        found = re.search(r"VmRSS:\s+(\d+) kB", status)
        assert found
        return int(found[1]) / 1024

    def is_well(self) -> None:
        """It lives, and nothing in its log is an exception that nobody foresaw."""
        assert self.process.returncode is None, self.log.read_text()[-4000:]
        log = self.log.read_text(encoding="utf-8", errors="replace")
        broken = [
            line for line in log.splitlines() if "Traceback" in line or '"level": "error"' in line
        ]
        assert not broken, broken[:3]


@asynccontextmanager
async def attacked(
    home: Path, dsn: str, *, schedule: str | None = None, **settings: str
) -> AsyncIterator[Target]:
    """Start a daemon and wait until it is ready; end it after."""
    home.mkdir(parents=True, exist_ok=True)
    config = home / "config.yaml"
    config.write_text(schedule or whole_schedule(), encoding="utf-8")
    log, port = home / "log.jsonl", free_port()
    secrets = {"CRON_SECRET": CRON, "ADMIN_SECRET": ADMIN, "CRON_SECRET_PREVIOUS": PREVIOUS}
    values = {
        "PORT": str(port),
        "DATABASE_URL": dsn,
        "LAMPLIGHTER_CONFIG": str(config),
        "LAMPLIGHTER_DATA_DIR": str(home / "data"),
        "SECRETS_DIR": str(home / "none"),
        **secrets,
        **settings,
    }
    with log.open("ab") as output:
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "scheduler", "serve"),
            env=environment(**values),
            cwd=home,
            stdout=output,
            stderr=output,
        )
    made = Target(process, port, log, dsn)
    try:
        await _until_ready(made)
        yield made
    finally:
        if process.returncode is None:
            process.terminate()
            try:
                await asyncio.wait_for(process.wait(), 20)
            except TimeoutError:
                process.kill()
                await process.wait()


async def _until_ready(target: Target) -> None:
    deadline = asyncio.get_running_loop().time() + PATIENCE
    async with aiohttp.ClientSession() as session:
        while True:
            assert target.process.returncode is None, target.log.read_text()
            with suppress(aiohttp.ClientError):  # not there yet
                async with session.get(f"{target.url}/readyz") as response:
                    if response.status == 200:
                        return
            assert asyncio.get_running_loop().time() < deadline, target.log.read_text()
            await asyncio.sleep(0.1)


async def contents(dsn: str, *, without: Collection[str] = OF_NOBODY) -> dict[str, str]:
    """Every table with how many rows it has and a digest of them, and the schema's own digest."""
    async with connect(dsn) as connection:
        found: dict[str, str] = {}
        async for row in load_sql(__file__, schema=None, table=None).tables(connection):
            schema, name = row["schema"], row["name"]
            if (whole := f"{schema}.{name}") not in without:
                at = await load_sql(__file__, schema=schema, table=name).rows(connection)
                found[whole] = f"{at['rows']} rows, {at['digest']}"
        found["the schema"] = await load_sql(__file__, schema=None, table=None).shape(connection)
        return found


def changed(before: Mapping[str, str], after: Mapping[str, str]) -> list[str]:
    """Which tables an attack has touched."""
    names = before.keys() | after.keys()
    return sorted(name for name in names if before.get(name) != after.get(name))
