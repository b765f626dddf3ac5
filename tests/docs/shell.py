"""Runs commands of the documents as a user would type them."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

from tests.support.daemon import environment

PATIENCE = 50.0


async def execute(command: str, cwd: Path, **values: str) -> tuple[int, str]:
    """Exit status and output, both streams together. `lamplighter` is the one that is tested."""
    tools = cwd / ".tools"
    tools.mkdir(exist_ok=True)
    program = tools / "lamplighter"
    program.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m scheduler "$@"\n')
    program.chmod(0o755)
    env = environment(**values)
    process = await asyncio.create_subprocess_exec(
        *("bash", "-euo", "pipefail", "-c", command),
        cwd=cwd,
        env={**env, "PATH": f"{tools}:{env['PATH']}"},
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    try:
        async with asyncio.timeout(PATIENCE):
            output, _ = await process.communicate()
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    return process.returncode or 0, output.decode()
