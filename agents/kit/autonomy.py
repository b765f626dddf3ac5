"""May an agent publish without anybody's approval? Only what is listed, a few a day, and until
somebody switches it off.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from scheduler.job import Connection
from scheduler.policy import AutoPublish
from scheduler.sql import load_sql

sql = load_sql(__file__)

BY = "auto_publish"
"""Who has approved what nobody has."""


@dataclass(frozen=True, slots=True)
class Switch:
    """Since when, by whom and why it is off."""

    off_since: datetime
    by: str
    reason: str | None


async def switched_off(connection: Connection) -> Switch | None:
    row = await sql.switched_off(connection)
    return None if row is None else Switch(row["off_since"], row["by"], row["reason"])


async def switch(
    connection: Connection, *, enabled: bool, by: str, reason: str | None, now: datetime
) -> None:
    """Stop it for all processes at once, or let it be again as the schedule file has it."""
    if enabled:
        await sql.switch_on(connection)
    else:
        await sql.switch_off(connection, by=by, reason=reason, now=now)


async def why_held(
    connection: Connection,
    policy: AutoPublish,
    *,
    project: UUID,
    kind: str,
    authors: Collection[str | None],
    now: datetime,
    suggestion: UUID | None = None,
) -> str | None:
    """Why somebody has to approve it; None: nobody has to.

    `authors` are those of all that it rests on; with `suggestion`, that one is not counted against
    the day's cap.
    """
    if not policy.enabled:
        return "auto_publish is not enabled in the schedule file"
    off = await switched_off(connection)
    if off is not None:
        why = f": {off.reason}" if off.reason else ""
        return f"auto_publish was switched off by {off.by}{why}"
    if kind not in policy.kinds:
        return f"auto_publish does not list the kind {kind}"
    # GitHub's logins are the same in any case of letters.
    listed = {login.casefold() for login in policy.authors}
    for author in sorted(authors, key=str):
        if author is None:
            return "auto_publish needs an author of all evidence, and some has none"
        if author.casefold() not in listed:
            return f"auto_publish does not list the author {author}"
    day = now.replace(hour=0, minute=0, second=0, microsecond=0)
    made: int = await sql.made_since(
        connection, project=project, since=day, by=BY, suggestion=suggestion
    )
    if made >= policy.daily_cap:
        return f"auto_publish may publish {policy.daily_cap} a day of this project"
    return None
