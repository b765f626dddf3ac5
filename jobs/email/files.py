"""Where messages go without a mail server: into files, for people to look at."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path

from jobs.email.delivery import Answer, Sent, Trouble
from jobs.email.message import Ready


class FileChannel:
    """Writes `{id of the queue's row}.eml`, whole or not at all; a second time over the first."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    async def open(self) -> None:
        try:
            await asyncio.to_thread(self._folder.mkdir, mode=0o700, parents=True, exist_ok=True)
        except OSError as error:
            raise Trouble("the folder for messages cannot be made", repr(error)) from error

    async def deliver(self, ready: Ready) -> Sent:
        try:
            name = await asyncio.to_thread(self._write, ready)
        except OSError as error:
            raise Trouble("messages cannot be written to files", repr(error)) from error
        return Sent(Answer(250, f"written to {name}"))

    async def close(self) -> None:
        return

    def _write(self, ready: Ready) -> str:
        path = self._folder / f"{ready.id}.eml"
        unfinished = path.with_suffix(".part")
        unfinished.write_bytes(ready.data)
        os.replace(unfinished, path)  # noqa: PTH105 - atomic, and says so by its name
        return path.name
