"""A process of its own that acquires an embedded PostgreSQL, says so, and holds it.

    python -m tests.support.embedded_owner DATA_DIR REPLICA [--watchdog] [--uid UID PYTHON]

Prints what it acquired as a line of JSON, or `{"error": ...}`; releases when its input ends.
"""

from __future__ import annotations

import argparse
import asyncio
import concurrent.futures.thread  # noqa: F401 - asyncio's, lazily: too late after the change of user
import json
import os
import sys
from dataclasses import asdict
from pathlib import Path
from typing import Any

from scheduler.db.embedded import EmbeddedError, EmbeddedServer
from tests.support.postgres import chosen_binaries


def say(answer: dict[str, Any]) -> None:
    sys.stdout.write(json.dumps(answer) + "\n")
    sys.stdout.flush()


async def hold(arguments: argparse.Namespace) -> None:
    server = EmbeddedServer(
        arguments.data_dir,
        arguments.replica,
        only=chosen_binaries(),
        watchdog=arguments.watchdog,
    )
    try:
        acquired = await server.acquire()
    except EmbeddedError as error:
        say({"error": str(error)})
        return
    try:
        say(asdict(acquired))
        await asyncio.to_thread(sys.stdin.read)
    finally:
        await server.release()


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("data_dir", type=Path)
    parser.add_argument("replica")
    parser.add_argument("--watchdog", action="store_true")
    parser.add_argument("--uid", type=int)
    parser.add_argument("--python")
    arguments = parser.parse_args()
    if arguments.uid is not None:
        # Changed only now: that user may not be able to read this interpreter's library.
        sys.executable = arguments.python
        os.setgroups([])
        os.setgid(arguments.uid)
        os.setuid(arguments.uid)
    asyncio.run(hold(arguments))


if __name__ == "__main__":
    main()
