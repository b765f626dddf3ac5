"""What does the owner of a data directory tell others: who it is, and where its server is?"""

from __future__ import annotations

import json
import os
import time
from dataclasses import asdict, dataclass
from pathlib import Path

from scheduler.db.embedded.home import write_private

FILE = "owner.json"


@dataclass(frozen=True, slots=True)
class Owner:
    dsn: str
    socket_dir: str
    pid: int
    """The daemon's or command's, not PostgreSQL's."""
    replica: str
    started: str
    """ISO 8601, UTC, by the machine's clock: for people; nothing decides by it."""


def read(data_dir: Path) -> Owner | None:
    """The note of the last owner, living or dead; None where there is none or it is broken."""
    try:
        found = json.loads((data_dir / FILE).read_text(encoding="utf-8"))
        return Owner(
            dsn=str(found["dsn"]),
            socket_dir=str(found["socket_dir"]),
            pid=int(found["pid"]),
            replica=str(found["replica"]),
            started=str(found["started"]),
        )
    except FileNotFoundError:
        return None
    except (ValueError, KeyError, TypeError):  # a crash of the machine may leave half of it
        return None


def write(data_dir: Path, dsn: str, socket_dir: Path, replica: str) -> None:
    started = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
    owner = Owner(dsn, str(socket_dir), os.getpid(), replica, started)
    write_private(data_dir / FILE, json.dumps(asdict(owner), indent=2) + "\n")


def remove(data_dir: Path) -> None:
    (data_dir / FILE).unlink(missing_ok=True)
