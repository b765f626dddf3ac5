"""As whom does the embedded PostgreSQL run: as ourselves, or, for root, as which other user?"""

from __future__ import annotations

import os
import pwd
import subprocess
from dataclasses import dataclass
from pathlib import Path

from scheduler.db.embedded.errors import OWN_SERVER, EmbeddedError

UNPRIVILEGED = ("postgres", "nobody")


@dataclass(frozen=True, slots=True)
class Account:
    """The user that root drops to: PostgreSQL refuses to run as root."""

    name: str
    uid: int
    gid: int
    groups: tuple[int, ...]

    def can_enter(self, directory: Path) -> bool:
        """Whether this user may pass through every directory of the path, the last one included.

        Asked of the kernel, as that user: mode bits alone do not tell (ACLs, containers).
        """
        asked = subprocess.run(  # noqa: S603 - a fixed command
            ["/bin/sh", "-c", 'test -x "$1"', "sh", str(directory)],
            user=self.uid,
            group=self.gid,
            extra_groups=self.groups,
            cwd="/",
            capture_output=True,
            check=False,
        )
        return asked.returncode == 0


def unprivileged() -> Account:
    """The first of `postgres` and `nobody` that this machine has."""
    for name in UNPRIVILEGED:
        try:
            entry = pwd.getpwnam(name)
        except KeyError:
            continue
        return Account(name, entry.pw_uid, entry.pw_gid, tuple(os.getgrouplist(name, entry.pw_gid)))
    raise EmbeddedError(
        "PostgreSQL does not run as root, and there is no user 'postgres' or 'nobody' to run it as:"
        f" start lamplighter as another user, {OWN_SERVER}"
    )


def owner_of(cluster: Path) -> Account | None:
    """As whom an existing cluster runs; None for ourselves. Raises where it is somebody else's."""
    status = cluster.stat()
    if os.geteuid() != 0:
        if status.st_uid != os.geteuid():
            raise EmbeddedError(
                f"{cluster} belongs to user {name_of(status.st_uid)}: run lamplighter as that user,"
                f" choose another LAMPLIGHTER_DATA_DIR, {OWN_SERVER}"
            )
        return None
    if status.st_uid == 0:
        raise EmbeddedError(
            f"{cluster} belongs to root, and PostgreSQL does not run as root:"
            f" `chown -R {unprivileged().name} {cluster}`, {OWN_SERVER}"
        )
    name = name_of(status.st_uid)
    try:
        groups = tuple(os.getgrouplist(name, status.st_gid))
    except KeyError:  # a number without a name, as in many containers
        groups = (status.st_gid,)
    return Account(name, status.st_uid, status.st_gid, groups)


def name_of(uid: int) -> str:
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return str(uid)
