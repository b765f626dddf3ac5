"""`python -m bench`: take the measures, print one table, write it to `bench/results/` as JSON."""

from __future__ import annotations

import asyncio
import json
import os
import platform
import shutil
import sys
import tempfile
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path

import click

from bench import fires, funnels, github, livez, reset, start
from bench.bed import Bed
from bench.report import Result, print_results
from scheduler.db.embedded import EmbeddedServer
from scheduler.watching.logging import configure_logging

RESULTS = Path(__file__).with_name("results")
MEASURES = {
    "start": start.measure,
    "fires": fires.measure,
    "livez": livez.measure,
    "reset": reset.measure,
    "funnels": funnels.measure,
    "github": github.measure,
}


@click.command()
@click.option("--only", default=",".join(MEASURES), show_default=True, help="Which measures.")
@click.option("--users", type=click.IntRange(1000), help="Whose credits are reset.  [1000000]")
@click.option("--quick", is_flag=True, help="Small sizes: whether it works, not how fast it is.")
def main(only: str, users: int | None, quick: bool) -> None:
    """Measure lamplighter beside floors taken in the same run."""
    names = [name.strip() for name in only.split(",")]
    if unknown := [name for name in names if name not in MEASURES]:
        raise click.BadParameter(f"{', '.join(unknown)}: there are {', '.join(MEASURES)}")
    configure_logging(level="warning", console=True)
    asyncio.run(_measure(names, users or (20_000 if quick else 1_000_000), quick))


async def _measure(names: list[str], users: int, quick: bool) -> None:
    home = Path(tempfile.mkdtemp(prefix="lamplighter-bench-"))
    home.chmod(0o755)  # PostgreSQL, run by root, is another user and must get through
    load = os.getloadavg()[0]
    server = EmbeddedServer(home / "server", "bench")
    results: list[Result] = []
    try:
        bed = Bed(home, (await server.acquire()).dsn, users, quick)
        for name in names:
            click.echo(f"{name} ...", err=True)
            results += await MEASURES[name](bed)
    finally:
        await server.release()
        shutil.rmtree(home)
        if results:
            print_results(results)
            click.echo(f"load before: {load:.1f} on {os.cpu_count()} processors")
            click.echo(_write(results, load, quick))


def _write(results: list[Result], load: float, quick: bool) -> str:
    RESULTS.mkdir(exist_ok=True)
    now = datetime.now(UTC)
    path = RESULTS / f"{now:%Y%m%dT%H%M%SZ}.json"
    document = {
        "at": now.isoformat(),
        "quick": quick,
        "python": sys.version.split()[0],
        "machine": platform.platform(),
        "processors": os.cpu_count(),
        "load": load,
        "results": [
            {**asdict(result), "ratio": result.ratio, "within": result.within} for result in results
        ],
    }
    path.write_text(json.dumps(document, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    return f"written to {path}"


if __name__ == "__main__":
    main()
