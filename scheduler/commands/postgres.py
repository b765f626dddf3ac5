"""`postgres`: PostgreSQL's own programs on the embedded database, of the version that it has."""

from __future__ import annotations

import asyncio
import signal
import sys
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

import click

from scheduler.errors import LamplighterError
from scheduler.settings import environment_with, load_settings

PROGRAMS = (
    "psql",
    "pg_dump",
    "pg_dumpall",
    "pg_restore",
    "pg_isready",
    "pg_amcheck",
    "vacuumdb",
    "reindexdb",
)


@click.command(
    context_settings={"ignore_unknown_options": True, "allow_interspersed_args": False},
)
@click.argument("program", metavar="PROGRAM", type=click.Choice(PROGRAMS))
@click.argument("arguments", nargs=-1, type=click.UNPROCESSED)
def postgres(program: str, arguments: tuple[str, ...]) -> None:
    """Run one of PostgreSQL's programs on the embedded database.

    PROGRAM is one of psql, pg_dump, pg_dumpall, pg_restore, pg_isready,
    pg_amcheck, vacuumdb, reindexdb; it gets the ARGUMENTS.

    The server is that of the running daemon, or is started for as long as the program runs. A data
    directory without a database gets an empty one. The exit status is the program's.
    """
    settings = load_settings()
    if settings.database_url is not None:
        raise LamplighterError(
            "DATABASE_URL names a server of its own: use the programs that came with it"
        )
    sys.exit(asyncio.run(_run(settings.data_dir, program, arguments)))


async def _run(data_dir: Path, program: str, arguments: Sequence[str]) -> int:
    from scheduler.app import replica_name
    from scheduler.db.embedded import EmbeddedServer

    server = EmbeddedServer(data_dir, replica_name())
    acquired = await server.acquire()
    try:
        place = await asyncio.to_thread(server.programs)
        if not (place / program).is_file():
            raise LamplighterError(f"there is no {program} in {place}")
        return await _call([str(place / program), *arguments], acquired.variables)
    finally:
        await server.release()


async def _call(command: Sequence[str], variables: dict[str, str]) -> int:
    """Its exit status. Signals of the terminal reach it by themselves, and do not end us before."""
    loop = asyncio.get_running_loop()
    process = await asyncio.create_subprocess_exec(*command, env=environment_with(variables))

    def stop() -> None:
        with suppress(ProcessLookupError):
            process.terminate()

    loop.add_signal_handler(signal.SIGINT, lambda: None)
    loop.add_signal_handler(signal.SIGTERM, stop)
    status = await process.wait()
    return status if status >= 0 else 128 - status


COMMANDS = (postgres,)
