"""What keeps the embedded database from running, said so that a person can act on it."""

from __future__ import annotations

from scheduler.errors import LamplighterError

OWN_SERVER = "or set DATABASE_URL to a PostgreSQL server of your own"


class EmbeddedError(LamplighterError):
    """The embedded PostgreSQL cannot run here; somebody has to change something first.

    `in_short` is for health, which is open to all.
    """

    def __init__(self, message: str, in_short: str = "it does not start") -> None:
        super().__init__(message)
        self.in_short = in_short
