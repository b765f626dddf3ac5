"""Sample data of any size, in the embedded database of the data directory.

`python -m bench.data --users 1000000`; never in another database, and only where nobody is yet.
"""

from __future__ import annotations

import asyncio
import sys
from datetime import UTC, datetime
from time import perf_counter

import asyncpg
import click

from scheduler.app import replica_name
from scheduler.db.database import Database
from scheduler.db.embedded import EmbeddedServer
from scheduler.db.product import lay_demo
from scheduler.errors import LamplighterError
from scheduler.settings import Settings, load_settings


@click.command()
@click.option("--users", type=click.IntRange(1, 50_000_000), default=1_000_000, show_default=True)
@click.option("--events-per-user", type=click.FloatRange(0.01, 1000), default=10, show_default=True)
@click.option("--seed", type=int, default=7, show_default=True)
def main(users: int, events_per_user: float, seed: int) -> None:
    """Lay sample data in the embedded database of LAMPLIGHTER_DATA_DIR (default: data)."""
    try:
        settings = load_settings()
        if settings.database_url is not None:
            raise LamplighterError(
                "sample data goes only into the embedded database: unset DATABASE_URL"
            )
        asyncio.run(_lay(settings, users, events_per_user, seed))
    except LamplighterError as error:
        click.echo(f"bench-data: {error}", err=True)
        sys.exit(1)


async def _lay(settings: Settings, users: int, events_per_user: float, seed: int) -> None:
    begun = perf_counter()
    replica = replica_name()
    database = Database(None, settings.data_dir, replica)
    await database.open(job_connections=1)
    try:
        await database.prepare()
        # A connection without the daemon's bound on a statement: millions of rows take minutes.
        acquired = await EmbeddedServer(settings.data_dir, replica).acquire()
        connection = await asyncpg.connect(acquired.dsn)
        try:
            await lay_demo(
                connection,
                now=datetime.now(UTC),
                users=users,
                seed=seed,
                events_per_user=events_per_user,
                report=lambda table, rows: click.echo(f"{table}: {rows:,}"),
            )
        finally:
            await connection.close()
    finally:
        await database.close()
    click.echo(f"laid in {perf_counter() - begun:.1f} s in {settings.data_dir.resolve()}")


if __name__ == "__main__":
    main()
