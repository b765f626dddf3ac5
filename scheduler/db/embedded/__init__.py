"""A PostgreSQL of the daemon's own, for where no `DATABASE_URL` is given."""

from __future__ import annotations

from scheduler.db.embedded.errors import EmbeddedError
from scheduler.db.embedded.server import Acquired, EmbeddedServer

__all__ = ["Acquired", "EmbeddedError", "EmbeddedServer"]
