"""How does one message get to one channel? By Apprise, in a process of its own.

Apprise takes 45 MiB, knows a hundred services, and waits for the network in threads that nobody can
stop: in a process of its own all of that ends with the message, at the latest when its time is
over. `python -m scheduler.watching.alerts.sending` is that process: an order in JSON on standard
input, the answer on standard output, so that no address is in a list of processes.
"""

from __future__ import annotations

import asyncio
import json
import logging
import re
import signal
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

SECONDS = 30.0
"""For one message, from the start of the process to the channel's answer."""
UNUSABLE = "is no address that Apprise can use"


@dataclass(frozen=True, slots=True)
class Channel:
    """Where alerts go; `repr` and `str` do not show the address."""

    number: int
    """Its place in ALERT_URLS, from 1."""
    scheme: str
    secret: Secret

    def __str__(self) -> str:
        return f"{self.number} ({self.scheme})"


class Secret:
    """An address: who knows it can write there."""

    __slots__ = ("_url",)

    def __init__(self, url: str) -> None:
        self._url = url

    def __repr__(self) -> str:
        return "Secret()"

    def reveal(self) -> str:
        return self._url


def channels_of(urls: Sequence[str]) -> tuple[Channel, ...]:
    return tuple(
        Channel(place, re.split(r"[^a-z0-9+.-]", url.lower(), maxsplit=1)[0], Secret(url))
        for place, url in enumerate(urls, 1)
    )


async def send(
    channel: Channel, title: str, body: str, *, is_good: bool, seconds: float = SECONDS
) -> str | None:
    """None where the channel took it, or why not: in fixed words, without anything of its own."""
    order = {
        "url": channel.secret.reveal(),
        "title": title,
        "body": body,
        "is_good": is_good,
        "seconds": seconds,
    }
    return (await _order(order, seconds))[0]


async def usable(channels: Sequence[Channel], seconds: float = SECONDS) -> list[str | None]:
    """For each channel None, or why Apprise cannot use its address. Nothing is sent."""
    order = {"check": [channel.secret.reveal() for channel in channels], "seconds": seconds}
    answers = await _order(order, seconds)
    return answers if len(answers) == len(channels) else [None] * len(channels)


async def _order(order: dict[str, Any], seconds: float) -> list[str | None]:
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-P", "-m", __name__),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.DEVNULL,
        # Ctrl-C in our terminal is ours: the last messages are waited for.
        start_new_session=True,
    )
    try:
        async with asyncio.timeout(seconds):
            said, _ = await process.communicate(json.dumps(order).encode())
        answers: list[str | None] = json.loads(said)
    except TimeoutError:
        return [f"no answer within {seconds:g} s"]
    except ValueError:
        return ["could not be called: the process that sends has failed"]
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    return answers


def main() -> None:
    """The process: its own alarm ends it where nobody is left to do so."""
    order = json.load(sys.stdin)
    signal.setitimer(signal.ITIMER_REAL, order["seconds"] + 5)
    print(json.dumps(_check(order) if "check" in order else [_send(order)]))  # noqa: T201 - its answer


def _check(order: dict[str, Any]) -> list[str | None]:
    return [None if _plugin(url) is not None else UNUSABLE for url in order["check"]]


def _plugin(url: str) -> Any:
    """One service with its own address: nothing that reads files or other lists of addresses."""
    import apprise

    logging.getLogger("apprise").setLevel(logging.CRITICAL + 1)
    # Without plugins of anybody's folders, without anything kept on disk.
    asset = apprise.AppriseAsset(plugin_paths=[], secure_logging=True)
    plugin = apprise.Apprise.instantiate(url, asset=asset)
    return plugin if isinstance(plugin, apprise.NotifyBase) else None


def _send(order: dict[str, Any]) -> str | None:
    import apprise

    plugin = _plugin(order["url"])
    if plugin is None:
        return UNUSABLE
    if plugin.overflow_mode is apprise.OverflowMode.UPSTREAM:
        # What is too long for a service is cut; else some refuse the whole.
        plugin.overflow_mode = apprise.OverflowMode.TRUNCATE
    heard = _Heard()
    logger = logging.getLogger("apprise")
    logger.handlers[:] = [heard]
    logger.propagate = False
    logger.setLevel(logging.WARNING)
    caller = apprise.Apprise()
    caller.add(plugin)
    taken = caller.notify(
        title=order["title"],
        body=order["body"],
        notify_type=apprise.NotifyType.SUCCESS if order["is_good"] else apprise.NotifyType.FAILURE,
        # As text: a channel of HTML gets it escaped.
        body_format=apprise.NotifyFormat.TEXT,
        interpret_escapes=False,
    )
    return None if taken else heard.reason


class _Heard(logging.Handler):
    """What Apprise logs of a failure, in our own words: its own may hold an address."""

    reason = "did not take it"

    def emit(self, record: logging.LogRecord) -> None:
        text = record.getMessage()
        if status := re.search(r"error=(\d{3})\b", text):
            self.reason = f"answered {status[1]}"
        elif re.search(r"(?i)connection error|timed? ?out|socket", text):
            self.reason = "could not be reached"


if __name__ == "__main__":
    main()
