"""`serve`: the daemon."""

from __future__ import annotations

import asyncio

import click

from scheduler.settings import load_settings


@click.command()
@click.option(
    "--demo",
    is_flag=True,
    help="Lay sample product data in the embedded database, if it is empty. Never in another.",
)
def serve(demo: bool) -> None:
    """Run the daemon: the schedule, the jobs, the admin server."""
    settings = load_settings()
    from scheduler.watching.logging import configure_logging, log_what_nobody_caught

    logs = configure_logging(
        level=settings.log_level,
        console=settings.logs_to_console,
        secrets=settings.secret_values,
    )
    log_what_nobody_caught()
    from scheduler.app import serve as run_daemon

    asyncio.run(run_daemon(settings, logs, demo=demo))


COMMANDS = (serve,)
