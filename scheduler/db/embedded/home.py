"""Where does the cluster of a data directory live, and who holds it?

In the data directory itself, as `postgres/`. Only where root's data directory is closed to the user
that root's PostgreSQL runs as, it lives under `/var/lib/lamplighter`, and the data directory says
where: nothing of root's is opened for it.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
from dataclasses import dataclass
from pathlib import Path

from scheduler.db.embedded.account import Account, owner_of, unprivileged
from scheduler.db.embedded.errors import OWN_SERVER, EmbeddedError

ELSEWHERE = Path("/var/lib/lamplighter")
POINTER = "postgres.location"


@dataclass(frozen=True, slots=True)
class Home:
    """What lies around a cluster: `postgres/` itself, its configuration, copied binaries."""

    directory: Path
    account: Account | None
    """Whose the cluster is; None: ours."""

    @property
    def cluster(self) -> Path:
        return self.directory / "postgres"


def make_data_dir(data_dir: Path) -> None:
    """Make the data directory where there is none. Raises `EmbeddedError` where that cannot be."""
    try:
        if not data_dir.is_dir():
            data_dir.mkdir(parents=True)
            # Root's PostgreSQL, another user, passes through; it cannot list what is in there.
            data_dir.chmod(0o711 if os.geteuid() == 0 else 0o700)
    except (FileExistsError, NotADirectoryError) as error:
        if data_dir.is_dir():
            return  # another process that starts at the same moment has just made it
        ancestors = (data_dir, *data_dir.parents)
        file = next((path for path in ancestors if path.exists() and not path.is_dir()), data_dir)
        raise EmbeddedError(
            f"LAMPLIGHTER_DATA_DIR {data_dir} cannot be a directory: {file} is a file;"
            " choose another path"
        ) from error


def hold(directory: Path) -> int | None:
    """Take the lock of a directory; the descriptor holds it. None where another process has it.

    The directory itself is locked, so nobody can delete the lock from under its holder.
    """
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(descriptor)
        return None
    except BaseException:
        os.close(descriptor)
        raise
    return descriptor


def find(data_dir: Path, elsewhere: Path = ELSEWHERE) -> Home:
    """Where the cluster of a data directory is or will be, and whose. Takes no lock.

    Raises `EmbeddedError` where it belongs to somebody else or has become unreachable.
    """
    pointer = data_dir / POINTER
    directory = Path(pointer.read_text(encoding="utf-8").strip()) if pointer.exists() else data_dir
    cluster = directory / "postgres"
    if (cluster / "PG_VERSION").exists():
        account = owner_of(cluster)
        if account is not None and not account.can_enter(directory):
            raise EmbeddedError(
                f"user {account.name}, whose the cluster {cluster} is, may no longer enter"
                f" {directory}: give the directories above it back their execute permission,"
                f" {OWN_SERVER}"
            )
        return Home(directory, account)
    if os.geteuid() != 0:
        if directory != data_dir:
            raise EmbeddedError(
                f"{pointer} leads to {directory}, where there is no cluster that this user can"
                f" read: run lamplighter as root, choose another LAMPLIGHTER_DATA_DIR, {OWN_SERVER}"
            )
        return Home(directory, None)
    account = unprivileged()
    if directory == data_dir and not account.can_enter(data_dir):
        directory = elsewhere / hashlib.sha256(os.fsencode(data_dir)).hexdigest()[:12]
    return Home(directory, account)


def settle(home: Home, data_dir: Path) -> bool:
    """Make the home's directory and note it in the data directory; says whether it is elsewhere."""
    if home.directory == data_dir:
        return False
    for directory in (home.directory.parent, home.directory):
        if not directory.is_dir():
            directory.mkdir(parents=True, exist_ok=True)
            directory.chmod(0o711)
        status = directory.stat()
        if status.st_uid != os.geteuid() or status.st_mode & 0o022:
            raise EmbeddedError(
                f"{directory}, where the cluster of {data_dir} is to live, can be written by others"
                f" than root: `chown root {directory}; chmod 711 {directory}`"
            )
    if home.account is not None and not home.account.can_enter(home.directory):
        raise EmbeddedError(
            f"user {home.account.name} may enter neither {data_dir} nor {home.directory}: choose a"
            f" LAMPLIGHTER_DATA_DIR that every user may pass through, {OWN_SERVER}"
        )
    write_private(data_dir / POINTER, f"{home.directory}\n")
    return True


def write_private(path: Path, text: str, mode: int = 0o600) -> None:
    """Write a file whole or not at all."""
    unfinished = path.with_name(f".{path.name}.{os.getpid()}")
    unfinished.unlink(missing_ok=True)
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
    with os.fdopen(os.open(unfinished, flags, mode), "w", encoding="utf-8") as file:
        os.fchmod(file.fileno(), mode)
        file.write(text)
    unfinished.replace(path)
