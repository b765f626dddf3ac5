"""Who is asking, and the record of what they changed."""

from __future__ import annotations

from dataclasses import dataclass

import structlog
from aiohttp import web

from scheduler.errors import DatabaseAwayError
from scheduler.job import Json
from scheduler.web.auth import WORKERS
from scheduler.web.keys import DAEMON, PEERS, Daemon

log = structlog.stdlib.get_logger("lamplighter.web")


@dataclass(frozen=True, slots=True)
class Caller:
    """`who` is the secret that let them in: `cron` or `admin`."""

    daemon: Daemon
    who: str
    address: str

    @classmethod
    def of(cls, request: web.Request) -> Caller:
        who = "cron" if request.path.startswith(WORKERS) else "admin"
        return cls(request.app[DAEMON], who, request.app[PEERS].address(request))

    @property
    def name(self) -> str:
        """As runs and pauses keep it."""
        return f"{'http' if self.who == 'cron' else self.who}:{self.address}"

    async def record(
        self,
        action: str,
        target: str | None,
        *,
        reason: str | None = None,
        detail: Json | None = None,
    ) -> None:
        """Keep what was just done. It stays done where the database is away for its record."""
        try:
            await self.daemon.activity.record(
                at=self.daemon.now(),
                who=self.who,
                source=self.address,
                action=action,
                target=target,
                reason=reason,
                detail=detail,
            )
        except DatabaseAwayError:
            log.warning(
                "activity_not_recorded",
                who=self.who,
                source=self.address,
                action=action,
                target=target,
                reason=reason,
            )
