"""`alert test`: whether people would hear of it if something went wrong."""

from __future__ import annotations

import asyncio
import sys

import click

from scheduler.commands.output import json_option, print_json, print_table
from scheduler.settings import load_settings


@click.group()
def alert() -> None:
    """Messages to people when something goes wrong."""


@alert.command()
@json_option
def test(as_json: bool) -> None:
    """Send a test message to every channel of ALERT_URLS.

    Needs neither a daemon nor a database. Exit status 1 if a channel did not take it, or if there
    is none.
    """
    from scheduler.watching.alerts.sending import Channel, channels_of, send
    from scheduler.watching.alerts.words import TEST

    channels = channels_of([url.get_secret_value() for url in load_settings().alert_urls])

    async def send_all() -> list[str | None]:
        room = asyncio.Semaphore(3)

        async def send_one(channel: Channel) -> str | None:
            async with room:
                return await send(channel, TEST.title, TEST.body, is_good=TEST.is_good)

        return await asyncio.gather(*map(send_one, channels))

    reasons = asyncio.run(send_all())
    if as_json:
        print_json(
            [
                {"channel": channel.number, "scheme": channel.scheme, "ok": not why, "reason": why}
                for channel, why in zip(channels, reasons, strict=True)
            ]
        )
    elif not channels:
        click.echo("ALERT_URLS is not set: nobody would hear of anything", err=True)
    else:
        rows = [
            (channel.number, channel.scheme, why or "took it")
            for channel, why in zip(channels, reasons, strict=True)
        ]
        print_table(("channel", "scheme", ""), rows)
    sys.exit(0 if channels and not any(reasons) else 1)


COMMANDS = (alert,)
