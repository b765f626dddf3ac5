"""Does a changed file come into force by itself, however it was written, and a bad one never?"""

from __future__ import annotations

import asyncio
import os
import subprocess
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from scheduler.entry import Schedule
from scheduler.errors import DatabaseAwayError
from scheduler.timing.clock import Clock
from scheduler.timing.reload import ReloadResult
from scheduler.timing.reloader import LOOK, Reloader, fingerprint
from scheduler.timing.schedule import load_schedule
from tests.support.machine import NoParams, Stage, machine

DAILY = 'jobs:\n  work: {cron: "0 0 * * *"}\n'
HOURLY = DAILY.replace("0 0", "0 *")
BROKEN = 'jobs:\n  work: {cron: "61 * * * *"}\n'
PATIENCE = 20.0


@dataclass
class Bed:
    file: Path
    reloader: Reloader
    schedule: Callable[[], Schedule]
    records: list[tuple[str, ReloadResult]] = field(default_factory=list)
    is_away: bool = False

    @property
    def cron(self) -> str:
        return self.schedule().entries["work"].cron

    async def until(self, condition: Callable[[], object]) -> None:
        async with asyncio.timeout(PATIENCE):
            while not condition():
                await asyncio.sleep(0.02)


@asynccontextmanager
async def bed(database: str, file: Path) -> AsyncIterator[Bed]:
    """A clock on the file's schedule, and a watch over the file."""
    if not file.exists():
        file.write_text(DAILY)

    def read() -> Schedule:
        return load_schedule(file, {"work": NoParams})

    async def record(who: str, result: ReloadResult) -> None:
        made.records.append((who, result))
        if made.is_away:
            raise DatabaseAwayError("away")

    in_force = fingerprint(file)
    async with machine(database, Stage(), entries=list(read().entries.values())) as one:
        reloader = Reloader(file, read, one.clock, one.now, record, in_force)
        made = Bed(file, reloader, lambda: one.clock.schedule)
        watch = asyncio.create_task(reloader.watch())
        try:
            yield made
        finally:
            watch.cancel()
            await asyncio.gather(watch, return_exceptions=True)


def in_place(file: Path) -> None:
    file.write_text(HOURLY)


def as_an_editor_does(file: Path) -> None:
    """vi and others: the old file is renamed, a new one takes its name."""
    file.rename(file.with_suffix(".yaml~"))
    file.write_text(HOURLY)


def atomically(file: Path) -> None:
    new = file.with_name(".new")
    new.write_text(HOURLY)
    new.replace(file)


def by_sed(file: Path) -> None:
    subprocess.run(["sed", "-i", "s/0 0/0 */", str(file)], check=True)


@pytest.mark.parametrize("write", [in_place, as_an_editor_does, atomically, by_sed])
async def test_a_changed_file_comes_into_force(
    database: str, tmp_path: Path, write: Callable[[Path], None]
) -> None:
    async with bed(database, tmp_path / "config.yaml") as one:
        write(one.file)
        await one.until(lambda: one.cron == "0 * * * *")
        await one.until(lambda: one.records)
        [(who, result)] = one.records
        assert (who, result.changed) == ("file", ("work",))
        assert result.differences == {"work": {"cron": ("0 0 * * *", "0 * * * *")}}


async def test_a_swapped_link_as_kubernetes_swaps_it(database: str, tmp_path: Path) -> None:
    for version, text in (("..1", DAILY), ("..2", HOURLY)):
        (tmp_path / version).mkdir()
        (tmp_path / version / "config.yaml").write_text(text)
    (tmp_path / "..data").symlink_to("..1")
    file = tmp_path / "config.yaml"
    file.symlink_to(Path("..data") / "config.yaml")
    async with bed(database, file) as one:
        assert one.cron == "0 0 * * *"
        (tmp_path / "..data_tmp").symlink_to("..2")
        (tmp_path / "..data_tmp").replace(tmp_path / "..data")
        await one.until(lambda: one.cron == "0 * * * *")


async def test_a_bad_file_changes_nothing_and_is_told_until_it_is_mended(
    database: str, tmp_path: Path
) -> None:
    async with bed(database, tmp_path / "config.yaml") as one:
        one.file.write_text(BROKEN)
        await one.until(lambda: one.reloader.rejected)
        assert one.cron == "0 0 * * *"
        assert one.reloader.rejected == "config.yaml: rejected at 12:00, 1 error"
        assert [problem.line for problem in one.reloader.last.result.errors] == [2]
        one.file.unlink()
        await one.until(lambda: "cannot be read" in str(one.reloader.last.result.errors))
        assert one.cron == "0 0 * * *"
        one.file.write_text(DAILY)
        await one.until(lambda: not one.reloader.rejected)
        # Nothing differs from what was in force all the time.
        assert all(result.errors for _, result in one.records)


async def test_a_file_that_is_being_written_is_not_read(database: str, tmp_path: Path) -> None:
    async with bed(database, tmp_path / "config.yaml") as one:
        for size in range(40):
            # Each part is a schedule of its own, with fewer jobs than the whole.
            one.file.write_text(f'jobs:\n{"#" * size}\n  other: {{job: work, cron: "@daily"}}\n')
            await asyncio.sleep(LOOK / 20)
        one.file.write_text(HOURLY)
        await one.until(lambda: one.records)
        [(_, result)] = one.records
        assert result.removed == ()
        assert one.cron == "0 * * * *"


async def test_a_touched_file_is_not_recorded(database: str, tmp_path: Path) -> None:
    async with bed(database, tmp_path / "config.yaml") as one:
        began = one.reloader.last
        os.utime(one.file)
        await one.until(lambda: one.reloader.last is not began)
        assert one.records == []


async def test_without_a_database_it_is_tried_again(
    database: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tried: list[Schedule] = []

    async def away(_clock: Clock, schedule: Schedule) -> None:
        tried.append(schedule)
        raise DatabaseAwayError("away")

    async with bed(database, tmp_path / "config.yaml") as one:
        with monkeypatch.context() as patched:
            patched.setattr(Clock, "apply", away)
            one.file.write_text(HOURLY)
            await one.until(lambda: len(tried) == 2)
            assert one.cron == "0 0 * * *"
        await one.until(lambda: one.cron == "0 * * * *")
        await one.until(lambda: len(one.records) == 1)


async def test_what_cannot_be_recorded_is_in_force_all_the_same(
    database: str, tmp_path: Path
) -> None:
    async with bed(database, tmp_path / "config.yaml") as one:
        one.is_away = True
        one.file.write_text(HOURLY)
        await one.until(lambda: one.cron == "0 * * * *")
        one.is_away = False
        one.file.write_text(DAILY)
        await one.until(lambda: one.cron == "0 0 * * *")
        await one.until(lambda: len(one.records) == 2)
