"""Which processes are a PostgreSQL of this cluster, and how are those stopped that nobody owns?

A pid alone proves nothing: it may be a zombie's, or belong by now to an unrelated program. So a
process is judged by its state, its name and the directory that it works in.
"""

from __future__ import annotations

import asyncio
import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

from scheduler.db.embedded.errors import EmbeddedError

POLL = 0.005
# How long each signal is given. A fast shutdown writes a checkpoint; an immediate one writes none.
STOPPING = ((signal.SIGINT, 10.0), (signal.SIGQUIT, 5.0), (signal.SIGKILL, 5.0))
PROC = Path("/proc")


def pid_in(pid_file: Path) -> int | None:
    """The pid in the first line of a `postmaster.pid`; None where there is none."""
    try:
        first = pid_file.read_text(encoding="utf-8", errors="replace").partition("\n")[0].strip()
    except FileNotFoundError:
        return None
    return int(first) if first.isdecimal() and int(first) > 0 else None


def serves(pid: int, cluster: Path, *, proc: bool = sys.platform == "linux") -> bool:
    """Whether a live process is a PostgreSQL, postmaster or backend, that works in that cluster.

    Without /proc (macOS) `ps` answers for a postmaster, by the directory in its arguments.
    """
    return _serves_by_proc(pid, cluster) if proc else _serves_by_ps(pid, cluster)


def _serves_by_proc(pid: int, cluster: Path) -> bool:
    process = PROC / str(pid)
    try:
        # "123 (postgres) S 1 ...": the name may itself hold brackets and spaces.
        text = (process / "stat").read_text(encoding="utf-8", errors="replace")
        name, _, rest = text.partition("(")[2].rpartition(")")
        if name != "postgres" or rest.split()[0] in {"Z", "X"}:
            return False
        try:
            return (process / "cwd").samefile(cluster)
        except PermissionError:
            # Root in a container often may not look; a postmaster's arguments tell as well.
            return os.fsencode(cluster) in (process / "cmdline").read_bytes().split(b"\0")
    except (FileNotFoundError, ProcessLookupError):
        return False


def _serves_by_ps(pid: int, cluster: Path) -> bool:
    asked = subprocess.run(  # noqa: S603 - a fixed command and a number
        ["/bin/ps", "-ww", "-o", "stat=,command=", "-p", str(pid)],
        capture_output=True,
        text=True,
        check=False,
    )
    state, _, command = asked.stdout.strip().partition(" ")
    program = re.match(r"\S*?postgres(?:\s|$)", command.strip())
    return not state.startswith("Z") and program is not None and f" -D {cluster} " in f"{command} "


def all_serving(cluster: Path) -> list[int]:
    """Every PostgreSQL process of that cluster; on macOS only those that `postmaster.pid` names."""
    if sys.platform != "linux":
        pid = pid_in(cluster / "postmaster.pid")
        return [pid] if pid and serves(pid, cluster) else []
    return [
        int(entry.name)
        for entry in PROC.iterdir()
        if entry.name.isdecimal() and serves(int(entry.name), cluster)
    ]


async def stop_leftovers(cluster: Path) -> list[int]:
    """Stop what a dead owner left running in a cluster and clear its stale lock files.

    Only for who holds the cluster's lock. Backends count too: one that outlives its postmaster may
    still write. Gives the pids that had to be stopped. Raises `EmbeddedError` where one stays.
    """
    pid_file = cluster / "postmaster.pid"
    if not pid_file.exists():
        return []
    stopped = all_serving(cluster)
    remaining = stopped
    for number, seconds in STOPPING:
        postmaster = pid_in(pid_file)
        if postmaster is not None and postmaster in remaining and number != signal.SIGKILL:
            _tell([postmaster], number)  # it stops its backends
        elif number != signal.SIGINT:  # which a backend takes for "cancel the query"
            _tell(remaining, number)
        else:
            continue
        remaining = await _gone(remaining, cluster, seconds)
        if not remaining:
            break
    else:
        raise EmbeddedError(
            f"a former PostgreSQL in {cluster} does not end (pids {remaining}): stop it by hand"
        )
    for name in ("postmaster.pid", ".s.PGSQL.5432", ".s.PGSQL.5432.lock"):
        (cluster / name).unlink(missing_ok=True)
    return stopped


def _tell(pids: Iterable[int], number: signal.Signals) -> None:
    for pid in pids:
        with suppress(ProcessLookupError):
            os.kill(pid, number)


async def _gone(pids: list[int], cluster: Path, seconds: float) -> list[int]:
    """Wait until those processes serve the cluster no more; gives those that still do."""
    deadline = asyncio.get_running_loop().time() + seconds
    while remaining := [pid for pid in pids if serves(pid, cluster)]:
        if asyncio.get_running_loop().time() > deadline:
            return remaining
        await asyncio.sleep(POLL)
    return []
