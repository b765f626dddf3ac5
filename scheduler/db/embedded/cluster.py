"""How is a cluster made, and with which settings does it run?"""

from __future__ import annotations

import asyncio
import ctypes
import os
import shutil
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path

from scheduler.db.embedded.binaries import Binaries
from scheduler.db.embedded.child import Child
from scheduler.db.embedded.errors import EmbeddedError
from scheduler.db.embedded.home import Home, write_private

SUPERUSER = "lamplighter"
SETTINGS = {
    # Durability stays as PostgreSQL has it: fsync, synchronous_commit and full_page_writes are on.
    "max_connections": "50",
    "shared_buffers": "128MB",
    # Nobody replicates from it: bulk loads into new tables then need no WAL.
    "wal_level": "minimal",
    "max_wal_senders": "0",
    "max_wal_size": "2GB",
    "checkpoint_completion_target": "0.9",
    # Compiling costs more than it saves on queries as short as ours.
    "jit": "off",
    "timezone": "UTC",
    "log_timezone": "UTC",
    "default_text_search_config": "pg_catalog.english",
    # The log is only bounded at a start, so routine has no place in it.
    "log_line_prefix": "%m [%p] %q%d ",
    "log_checkpoints": "off",
    "log_autovacuum_min_duration": "-1",
}
FULL = "its disk is full"
# A container's /dev/shm has 64 MB by default, which parallel queries outgrow.
ENOUGH_SHARED_MEMORY = 256 << 20


def major_of(cluster: Path) -> int | None:
    """The major version that made a cluster; None where there is none yet."""
    try:
        text = (cluster / "PG_VERSION").read_text(encoding="utf-8", errors="replace").strip()
    except FileNotFoundError:
        return None
    if not text.isdecimal():
        raise EmbeddedError(
            f"{cluster / 'PG_VERSION'} says {text!r}, which is no version of PostgreSQL from 10 on:"
            " move the directory away or choose another LAMPLIGHTER_DATA_DIR"
        )
    return int(text)


async def create(home: Home, binaries: Binaries, *, watchdog: bool) -> None:
    """Make a cluster. It gets its name only when it is whole and on disk.

    initdb's own sync visits every file (0.2 s and more); one sync of the file system does the same.
    Raises `EmbeddedError` with initdb's words.
    """
    if home.cluster.is_dir() and any(home.cluster.iterdir()):
        raise EmbeddedError(
            f"{home.cluster} holds files but no cluster (no PG_VERSION): move it away or choose"
            " another LAMPLIGHTER_DATA_DIR"
        )
    unfinished = home.directory / "postgres.new"
    if unfinished.exists():
        shutil.rmtree(unfinished)
    unfinished.mkdir(mode=0o700)
    if home.account is not None:
        os.chown(unfinished, home.account.uid, home.account.gid)
    command = [
        str(binaries.directory / "initdb"),
        f"--pgdata={unfinished}",
        f"--username={SUPERUSER}",
        # Safe because only the server's user, and root, can enter the directory of its socket.
        "--auth=trust",
        "--encoding=UTF8",
        "--locale=C",
        "--data-checksums",
        "--no-sync",
        "--no-instructions",
    ]
    if binaries.major >= 17:
        command += ["--locale-provider=builtin", "--builtin-locale=C.UTF-8"]
    with tempfile.TemporaryFile() as output:
        initdb = Child(
            command,
            cluster=unfinished,
            account=home.account,
            output=output.fileno(),
            watchdog=watchdog,
        )
        try:
            status = await initdb.wait()
        finally:
            await initdb.stop()
        if status != 0:
            output.seek(0)
            raise refusal(f"initdb could not make {home.cluster}", tail(output.read(), lines=15))
    await _sync(unfinished)
    unfinished.rename(home.cluster)
    _fsync(home.directory)


async def _sync(cluster: Path) -> None:
    """Have everything in a cluster on disk."""
    if sys.platform == "linux":
        libc = ctypes.CDLL(None, use_errno=True)
        descriptor = os.open(cluster, os.O_RDONLY | os.O_DIRECTORY)
        try:
            # In a thread: a slow disk must not stop the loop.
            failed = await asyncio.to_thread(libc.syncfs, descriptor)
            if failed:
                number = ctypes.get_errno()
                raise OSError(number, os.strerror(number), str(cluster))
        finally:
            os.close(descriptor)
    else:
        await asyncio.to_thread(os.sync)


def _fsync(directory: Path) -> None:
    """Have a rename in a directory on disk."""
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def configure(home: Home, socket_dir: Path, extra: Mapping[str, str]) -> list[str]:
    """Write the settings file and give the server's arguments.

    What an operator sets by ALTER SYSTEM wins over the file; where the server is reached does not
    depend on either.
    """
    settings = SETTINGS | {"dynamic_shared_memory_type": _shared_memory()} | dict(extra)
    path = home.directory / "postgresql.conf"
    lines = [f"{name} = {_quoted(value)}\n" for name, value in settings.items()]
    write_private(
        path,
        "# Written by lamplighter at each start; ALTER SYSTEM overrides it.\n" + "".join(lines),
        # The server's user reads it; there is nothing secret in it.
        mode=0o600 if home.account is None else 0o644,
    )
    fixed = {
        "config_file": str(path),
        "listen_addresses": "",
        "unix_socket_directories": '"' + str(socket_dir).replace('"', '""') + '"',
        "unix_socket_permissions": "0700",
        "port": "5432",
    }
    options = [part for name, value in fixed.items() for part in ("-c", f"{name}={value}")]
    return ["-D", str(home.cluster), *options]


def _quoted(value: str) -> str:
    return "'" + value.replace("\\", "\\\\").replace("'", "''") + "'"


def _shared_memory() -> str:
    try:
        status = os.statvfs("/dev/shm")  # noqa: S108 - asked for its size only
    except OSError:
        return "mmap" if sys.platform == "linux" else "posix"
    return "posix" if status.f_bavail * status.f_frsize >= ENOUGH_SHARED_MEMORY else "mmap"


def tail(output: bytes, lines: int = 15) -> str:
    return "\n".join(output[-8192:].decode(errors="replace").strip().splitlines()[-lines:])


def refusal(what: str, said: str) -> EmbeddedError:
    """What failed, what to do about it where PostgreSQL's words tell, and those words."""
    advice, in_short = "", "it does not start"
    if "No space left" in said or "Disk quota" in said:
        in_short = FULL
        advice = ": the disk is full, make room or choose another LAMPLIGHTER_DATA_DIR"
    elif "Permission denied" in said or "Read-only" in said:
        advice = ": it may not write there, choose another LAMPLIGHTER_DATA_DIR or run as its owner"
    elif "could not map anonymous shared memory" in said:
        advice = ": there is too little memory"
    return EmbeddedError(f"{what}{advice}; PostgreSQL says:\n{said or '(nothing)'}", in_short)
