"""What a test of the embedded PostgreSQL may ask for: directories, clusters, other processes."""

from __future__ import annotations

import asyncio
import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from scheduler.db.embedded import EmbeddedServer
from tests.support.embedded import AS_ROOT, Other
from tests.support.postgres import chosen_binaries, make_scratch


@pytest.fixture(scope="module")
def made() -> Iterator[Path]:
    """A data directory with a cluster that was shut down, to copy: cheaper than making one."""
    path = make_scratch("made")
    server = EmbeddedServer(path / "data", "maker", only=chosen_binaries())

    async def make() -> None:
        await server.acquire()
        await server.release()

    with asyncio.Runner() as runner:
        runner.run(make())
    yield path / "data"
    shutil.rmtree(path)


@pytest.fixture
def data_dir(made: Path, scratch: Path) -> Path:
    subprocess.run(["cp", "-a", made, scratch / "data"], check=True)
    return scratch / "data"


@pytest.fixture
def other() -> Iterator[Callable[..., Other]]:
    """Starts other processes; those that still live release with the end of the test."""
    started: list[Other] = []

    def start(*arguments: Any) -> Other:
        started.append(Other(*arguments))
        return started[-1]

    yield start
    for process in started:
        process.end()


@pytest.fixture
def bystander(data_dir: Path) -> Iterator[subprocess.Popen[bytes]]:
    """A live program that has nothing to do with us, of the server's user."""
    uid = (data_dir / "postgres").stat().st_uid
    process = subprocess.Popen(
        ["sleep", "1000"], user=uid if AS_ROOT else None, cwd=data_dir / "postgres"
    )
    yield process
    process.kill()
    process.wait()
