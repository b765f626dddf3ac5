"""Who owns the embedded PostgreSQL of a data directory, and how do the others reach it?

Whoever holds the lock of the data directory owns the server: starts it, restarts it, and takes it
down. Every other process on that directory attaches, and becomes the owner when the owner dies.
"""

from __future__ import annotations

import asyncio
import errno
import os
import shutil
import sys
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any
from urllib.parse import parse_qs, quote, urlsplit

import asyncpg
import structlog

from scheduler.db.embedded import binaries, cluster, home, owner
from scheduler.db.embedded.child import Child
from scheduler.db.embedded.errors import EmbeddedError
from scheduler.db.embedded.processes import POLL, pid_in, stop_leftovers
from scheduler.errors import DatabaseAwayError
from scheduler.sql import load_sql

DATABASE = "lamplighter"
LOG_NAME = "postgres.log"
LOG_LIMIT = 10 << 20
SOCKET_DIR = "lamplighter-socket-"
# A socket's path has at most 107 bytes on Linux, 103 on macOS; the name PostgreSQL adds has 15.
LONGEST_SOCKET_DIR = 103 - len("/.s.PGSQL.5432")
NOT_YET = (
    OSError,
    TimeoutError,
    asyncpg.CannotConnectNowError,
    asyncpg.PostgresConnectionError,
    asyncpg.TooManyConnectionsError,
)
DISK_FULL = (errno.ENOSPC, errno.EDQUOT)
sql = load_sql(__file__)


@dataclass(frozen=True, slots=True)
class Acquired:
    dsn: str
    """Of the database `lamplighter`, as its superuser."""
    owned: bool
    """This process runs the server; it ends with it."""
    created: bool
    """The cluster was made by this call. (It is ours in any case: nobody else makes one there.)"""
    dead_owner: str | None
    """The replica id of an owner that died without releasing. It is told once, to its successor."""

    @property
    def variables(self) -> dict[str, str]:
        """What PostgreSQL's own programs read from the environment to reach it."""
        address = urlsplit(self.dsn)
        [directory] = parse_qs(address.query)["host"]
        return {
            "PGHOST": directory,
            "PGPORT": "5432",
            "PGUSER": cluster.SUPERUSER,
            "PGDATABASE": DATABASE,
        }


class EmbeddedServer:
    """One data directory's PostgreSQL, as this process sees it.

    `settings` go over the server's own. `only` is the one directory with `initdb` and `postgres` to
    use. `watchdog` ties the server to this process by a pipe instead of the kernel's signal (Linux
    has that). Times are seconds.
    """

    def __init__(
        self,
        data_dir: Path,
        replica: str,
        *,
        settings: Mapping[str, str] | None = None,
        only: Path | None = None,
        elsewhere: Path = home.ELSEWHERE,
        watchdog: bool = sys.platform != "linux",
        attach_timeout: float = 30.0,
        start_timeout: float = 300.0,
    ) -> None:
        self._data_dir = Path(os.path.realpath(data_dir))
        self._replica = replica
        self._settings = dict(settings or {})
        self._only = only
        self._elsewhere = elsewhere
        self._watchdog = watchdog
        self._attach_timeout = attach_timeout
        self._start_timeout = start_timeout
        self._busy = asyncio.Lock()
        self._locks: list[int] = []
        self._child: Child | None = None
        self._socket_dir: Path | None = None
        self._pid_file = self._data_dir
        self._log_start = 0
        self._dead_owner: str | None = None
        self._log: Any = structlog.get_logger().bind(data_dir=str(self._data_dir))

    async def acquire(self) -> Acquired:
        """Own the server, started and ready, or attach to another process's.

        Again at any time: a server that died is restarted, a dead owner succeeded. Raises
        `EmbeddedError` where somebody has to change something first, `DatabaseAwayError` where
        trying again may help (the owner does not answer, recovery takes long).
        """
        async with self._busy:
            try:
                home.make_data_dir(self._data_dir)
                return await self._acquire()
            except OSError as error:
                raise EmbeddedError(
                    f"the embedded PostgreSQL in {self._data_dir} cannot start:"
                    f" {error.strerror or error} ({error.filename or 'no file named'});"
                    " make it writable and its disk not full, or choose another"
                    " LAMPLIGHTER_DATA_DIR",
                    cluster.FULL if error.errno in DISK_FULL else "it does not start",
                ) from error
            finally:
                if self._child is None:
                    self._unlock()

    def room(self) -> int:
        """Bytes that are free on the disk of the cluster. Raises `OSError`."""
        status = os.statvfs(self._pid_file.parent if self._child is not None else self._data_dir)
        return status.f_bavail * status.f_frsize

    async def release(self) -> None:
        """Take the server down where it is ours. An attached process leaves it alone."""
        async with self._busy:
            if not self._locks:
                return
            await self._take_down()
            owner.remove(self._data_dir)
            self._unlock()

    def programs(self) -> Path:
        """Where the programs of the cluster's version are, for this user to run.

        Raises `EmbeddedError` where they are not to be had.
        """
        place = home.find(self._data_dir, self._elsewhere)
        major = cluster.major_of(place.cluster)
        return binaries.choose(major, None, place.directory, self._only).directory

    async def _acquire(self) -> Acquired:
        if self._locks:
            return await self._own()
        clock = asyncio.get_running_loop().time
        deadline = clock() + self._attach_timeout
        while True:
            lock = home.hold(self._data_dir)
            if lock is not None:
                self._locks.append(lock)
                if previous := owner.read(self._data_dir):
                    self._dead_owner = previous.replica
                    _clear_socket_dir(Path(previous.socket_dir))
                return await self._own()
            other = owner.read(self._data_dir)
            problem = "it has not said how to reach it"
            if other is not None:
                try:
                    await _reach(other.dsn)
                    return Acquired(other.dsn, owned=False, created=False, dead_owner=None)
                except NOT_YET as error:
                    problem = f"{error}" or type(error).__name__
            if clock() > deadline:
                who = f"{other.replica}, pid {other.pid}" if other else "not said who"
                raise DatabaseAwayError(
                    f"another process ({who}) holds {self._data_dir}, but its PostgreSQL does not"
                    f" answer: {problem}; wait for it, or stop it"
                )
            await asyncio.sleep(4 * POLL)

    async def _own(self) -> Acquired:
        if self._child is not None and (status := self._child.ended()) is not None:
            self._log.warning("embedded_server_died", status=status)
            self._child = None
        created = await self._start() if self._child is None else False
        dsn = await self._ready()
        dead, self._dead_owner = self._dead_owner, None
        return Acquired(dsn, owned=True, created=created, dead_owner=dead)

    async def _start(self) -> bool:
        """Start the server in its cluster, made first where there is none. Says whether it was."""
        place = home.find(self._data_dir, self._elsewhere)
        if home.settle(place, self._data_dir):
            self._log.info("embedded_cluster_elsewhere", cluster=str(place.cluster))
            if len(self._locks) == 1:
                lock = home.hold(place.directory)
                if lock is None:
                    raise EmbeddedError(
                        f"{self._data_dir / home.POINTER} leads to {place.directory}, which another"
                        " data directory is using: remove that file from a copied data directory"
                    )
                self._locks.append(lock)
        major = cluster.major_of(place.cluster)
        # In a thread: it may have to copy 25 MB.
        programs = await asyncio.to_thread(
            binaries.choose, major, place.account, place.directory, self._only
        )
        if major is None:
            await cluster.create(place, programs, watchdog=self._watchdog)
        elif stopped := await stop_leftovers(place.cluster):
            self._log.warning("embedded_leftovers_stopped", pids=stopped)
        if self._socket_dir is not None:
            _clear_socket_dir(self._socket_dir)
        self._socket_dir = _socket_dir(place)
        arguments = cluster.configure(place, self._socket_dir, self._settings)
        with self._open_log() as log:
            self._log_start = log.tell()
            self._child = Child(
                [programs.directory / "postgres", *arguments],
                cluster=place.cluster,
                account=place.account,
                output=log,
                watchdog=self._watchdog,
            )
        self._pid_file = place.cluster / "postmaster.pid"
        return major is None

    async def _ready(self) -> str:
        """Wait until the server takes connections, then say to others how to reach it."""
        if self._child is None or self._socket_dir is None:
            raise EmbeddedError("the embedded PostgreSQL was not started")
        dsn = _dsn(self._socket_dir, DATABASE)
        clock = asyncio.get_running_loop().time
        deadline = clock() + self._start_timeout
        while True:
            if (status := self._child.ended()) is not None:
                self._child = None
                raise cluster.refusal(
                    f"PostgreSQL in {self._data_dir} ended with status {status} at its start",
                    cluster.tail(self._read_log()),
                )
            # Its own note first: connections before it is ready would each leave a line in its log.
            if _says_ready(self._pid_file, self._child.pid):
                try:
                    await _reach(dsn)
                    break
                except asyncpg.InvalidCatalogNameError:
                    await _create_database(self._socket_dir)
                except NOT_YET as error:
                    self._log.debug("embedded_not_ready", error=str(error))
            if clock() > deadline:
                raise DatabaseAwayError(
                    f"PostgreSQL in {self._data_dir} is still starting after"
                    f" {self._start_timeout:g} s (recovery after a crash may take long)"
                )
            await asyncio.sleep(POLL)
        owner.write(self._data_dir, dsn, self._socket_dir, self._replica)
        return dsn

    async def _take_down(self) -> None:
        if self._child is not None:
            await self._child.stop()
            self._child = None
        if self._socket_dir is not None:
            _clear_socket_dir(self._socket_dir)
            self._socket_dir = None

    def _unlock(self) -> None:
        while self._locks:
            os.close(self._locks.pop())

    def _open_log(self) -> IO[bytes]:
        """PostgreSQL's log; begun anew, with one former kept, where it has grown too long."""
        path = self._data_dir / LOG_NAME
        if path.exists() and path.stat().st_size > LOG_LIMIT:
            path.replace(path.with_name(f"{LOG_NAME}.1"))
        flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC
        return os.fdopen(os.open(path, flags, 0o600), "ab", buffering=0)

    def _read_log(self) -> bytes:
        """What PostgreSQL has said since its last start."""
        with (self._data_dir / LOG_NAME).open("rb") as log:
            log.seek(self._log_start)
            return log.read()


def _dsn(socket_dir: Path, database: str) -> str:
    host = quote(str(socket_dir), safe="")
    return f"postgresql://{cluster.SUPERUSER}@/{database}?host={host}&port=5432"


async def _reach(dsn: str) -> None:
    connection = await asyncpg.connect(dsn, timeout=3, command_timeout=3)
    await connection.close(timeout=3)


async def _create_database(socket_dir: Path) -> None:
    dsn = _dsn(socket_dir, "template1")
    connection = await asyncpg.connect(dsn, timeout=10, command_timeout=60)
    try:
        await sql.rename_database(connection)
    except asyncpg.InvalidCatalogNameError:  # somebody dropped both
        await sql.create_database(connection)
    finally:
        await connection.close(timeout=3)


def _says_ready(pid_file: Path, pid: int) -> bool:
    """Whether the server has written that it takes connections (the last line of its note)."""
    if pid_in(pid_file) != pid:
        return False
    lines = pid_file.read_text(encoding="utf-8", errors="replace").splitlines()
    return len(lines) > 7 and lines[7].strip() == "ready"


def _socket_dir(place: home.Home) -> Path:
    """Where the socket goes: the cluster's own directory, a temporary one where that is too long.

    Neither lets anybody in but the server's user and root. (A comma would part the path in a DSN.)
    """
    if len(os.fsencode(place.cluster)) <= LONGEST_SOCKET_DIR and "," not in str(place.cluster):
        return place.cluster
    directory = Path(tempfile.mkdtemp(prefix=SOCKET_DIR))
    if place.account is not None:
        os.chown(directory, place.account.uid, place.account.gid)
    return directory


def _clear_socket_dir(directory: Path) -> None:
    """Remove a temporary socket directory. The cluster's own is left alone."""
    if directory.parent == Path(tempfile.gettempdir()) and directory.name.startswith(SOCKET_DIR):
        shutil.rmtree(directory, ignore_errors=True)
