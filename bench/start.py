"""How soon is a daemon ready, and how much memory does it hold when idle?"""

from __future__ import annotations

import asyncio
import shutil
from pathlib import Path
from statistics import median
from time import perf_counter

from bench.bed import Bed
from bench.processes import daemon, floor
from bench.report import Result
from scheduler.db.embedded import EmbeddedServer

SCHEDULE = "jobs:\n  cleanup:\n    cron: '0 7 1 1 *'\n"
SETTLES = 3.0
"""Seconds after which a daemon that was just started is idle."""


async def measure(bed: Bed) -> list[Result]:
    dsn = await bed.fresh("started")
    ours, floors = [], []
    memory = floor_memory = 0.0
    rounds = 2 if bed.quick else 5
    # Each once more than is counted: the first writes the byte code and lays the schema. In turns,
    # so that a busy moment of the machine meets both.
    for n in range(rounds + 1):
        async with floor(bed.home, dsn) as bare:
            floors.append(bare.seconds)
            if n == rounds:
                await asyncio.sleep(SETTLES)
                floor_memory = bare.memory
        async with daemon(bed.home, SCHEDULE, DATABASE_URL=dsn) as running:
            ours.append(running.seconds)
            if n == rounds:
                await asyncio.sleep(SETTLES)
                memory = running.memory
    bare_start = median(floors[1:])
    first, boot = [], []
    for n in range(1 if bed.quick else 3):
        boot.append(await _boot(bed.home / f"boot{n}"))
        data = bed.home / f"first{n}"
        async with daemon(bed.home, SCHEDULE, LAMPLIGHTER_DATA_DIR=str(data)) as running:
            first.append(running.seconds)
        shutil.rmtree(data)
    return [
        Result("start to ready, database up", median(ours[1:]), bare_start, "s", budget=1.63),
        Result(
            "first start, embedded database",
            median(first),
            bare_start + median(boot),
            "s",
            budget=2.0,
            note="the floor is the bare process and, after it, the embedded server's first boot",
        ),
        Result("memory, idle", memory, floor_memory, "MiB", budget=1.354),
    ]


async def _boot(data: Path) -> float:
    begun = perf_counter()
    server = EmbeddedServer(data, "bench")
    await server.acquire()
    seconds = perf_counter() - begun
    await server.release()
    shutil.rmtree(data)
    return seconds
