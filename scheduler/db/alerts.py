"""The record of alerts: what goes on, what is to be told, and what is on its way to whom."""

from __future__ import annotations

from collections.abc import AsyncIterator, Collection, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from typing import Any

from scheduler.alerting import Kind
from scheduler.condition import sql as conditions_sql
from scheduler.db.pools import PooledConnection, Pools
from scheduler.db.runs import EntryState, entry_states
from scheduler.incident import BadEnd, Incident, Message, Notice, Standing
from scheduler.run import Status
from scheduler.sql import load_sql

sql = load_sql(__file__)

OVERLAP = timedelta(minutes=10)
"""How far a look goes back behind the last one: replicas' clocks differ, and commits take time."""
LOOK_BACK = timedelta(hours=24)
"""What ended longer ago than this is nobody's news."""
KEPT = timedelta(days=30)
"""How long messages are kept."""
MOST_ENDS = 1_000
"""Of one look; the next one takes the rest."""
MOST_NOTICES = 1_000
CLAIM = timedelta(seconds=60)
"""How long a message is one replica's to send."""


@dataclass(frozen=True, slots=True)
class Delivery:
    """A message that this process is to send to one channel."""

    message_id: int
    channel: str
    attempts: int
    message: Message


class AlertStore:
    """Raises `DatabaseAwayError` where PostgreSQL cannot be reached."""

    def __init__(self, pools: Pools, *, most_ends: int = MOST_ENDS) -> None:
        self._pools = pools
        self._most_ends = most_ends

    @asynccontextmanager
    async def look(self, now: datetime) -> AsyncIterator[Look | None]:
        """A transaction in which nobody else looks; None where another replica does just now."""
        async with self._pools.control() as connection, connection.transaction():
            is_first = await sql.begin(connection, now=now) is not None
            row = await sql.lock(connection)
            yield (
                None
                if row is None
                else Look(connection, now, row["looked_at"], is_first, self._most_ends)
            )

    async def claim(self, channels: Collection[str], most: int) -> list[Delivery]:
        """The oldest open message of up to `most` of these channels, ours for `CLAIM`."""
        async with self._pools.control() as connection:
            rows = sql.claim(connection, channels=list(channels), lease=CLAIM, most=most)
            return [
                Delivery(
                    row["message_id"],
                    row["channel"],
                    row["attempts"],
                    Message(row["title"], row["body"], row["is_good"]),
                )
                async for row in rows
            ]

    async def delivered(self, delivery: Delivery, now: datetime) -> None:
        place = {"message_id": delivery.message_id, "channel": delivery.channel}
        async with self._pools.control() as connection, connection.transaction():
            await sql.delivered(connection, **place)
            await sql.channel_tried(connection, channel=delivery.channel, now=now, reason=None)

    async def refused(
        self, delivery: Delivery, reason: str, pause: timedelta, now: datetime
    ) -> None:
        place = {"message_id": delivery.message_id, "channel": delivery.channel}
        async with self._pools.control() as connection, connection.transaction():
            await sql.refused(connection, **place, pause=pause, too_old=now - LOOK_BACK)
            await sql.channel_tried(connection, channel=delivery.channel, now=now, reason=reason)

    async def channels_out(self, channels: Collection[str]) -> Mapping[str, Standing]:
        """Those that did not take their last message, since when."""
        async with self._pools.control() as connection:
            return await _channels_out(connection, channels)


class Look:
    """One look, in its transaction."""

    def __init__(
        self,
        connection: PooledConnection,
        now: datetime,
        looked_at: datetime,
        is_first: bool,
        most_ends: int,
    ) -> None:
        self._connection = connection
        self._most_ends = most_ends
        self._now = now
        # The clock may have been set back: then what ends now is older than the last look.
        self._since = max(min(looked_at, now) - OVERLAP, now - LOOK_BACK)
        self.is_first = is_first

    async def ended(self, present_since: datetime) -> list[BadEnd]:
        """What ended badly since the last look; at the first since this process began."""
        if self.is_first:
            oldest = self._now - LOOK_BACK - OVERLAP
            await sql.see_all(self._connection, since=oldest, until=present_since)
        rows = sql.ended(self._connection, since=self._since, most=self._most_ends)
        found = [
            BadEnd(
                run_id=row["run_id"],
                job=row["job"],
                status=Status(row["status"]),
                at=row["finished_at"],
                words=_words(row),
                count=_count(row["data"]) if row["status"] == Status.MISSED else 1,
            )
            async for row in rows
        ]
        await sql.see(
            self._connection, ended=[{"run_id": end.run_id, "at": end.at} for end in found]
        )
        if len(found) < self._most_ends:
            # Else the rest is for the next look, from the same point.
            await sql.looked(self._connection, now=self._now)
            await sql.forget_seen(self._connection, before=self._now - LOOK_BACK - OVERLAP)
        return found

    async def incidents(self) -> dict[str, Incident]:
        return {row["key"]: _incident(row) async for row in sql.incidents(self._connection)}

    async def states(self, jobs: Collection[str]) -> dict[str, EntryState]:
        """As health reckons them."""
        return await entry_states(self._connection, list(jobs))

    async def active(self) -> set[str]:
        """Jobs of which a run goes on or waits for its next attempt."""
        return {row["job"] async for row in sql.active(self._connection)}

    async def conditions(self) -> dict[str, Standing]:
        rows = conditions_sql.conditions(self._connection)
        return {row["name"]: Standing(row["reason"], row["since"]) async for row in rows}

    async def channels_out(self, channels: Collection[str]) -> Mapping[str, Standing]:
        return await _channels_out(self._connection, channels)

    async def keep(
        self,
        before: Mapping[str, Incident],
        after: Mapping[str, Incident],
        notices: Sequence[Notice],
    ) -> None:
        over = [key for key in before if key not in after]
        changed = [asdict(one) for key, one in after.items() if one != before.get(key)]
        if over:
            await sql.close(self._connection, keys=over)
        if changed:
            await sql.keep(self._connection, incidents=changed)
        if notices:
            await sql.notify(self._connection, notices=[asdict(notice) for notice in notices])

    async def waiting(self) -> list[tuple[int, Notice]]:
        """Notices without a message, oldest first."""
        return [
            (
                row["id"],
                Notice(
                    **{
                        **{name: row[name] for name in Notice.__slots__},
                        "kind": Kind(row["kind"]),
                        "was": Kind(row["was"]) if row["was"] else None,
                    }
                ),
            )
            async for row in sql.waiting(self._connection, most=MOST_NOTICES)
        ]

    async def sent(self, since: datetime) -> list[datetime]:
        return [row["at"] async for row in sql.sent(self._connection, since=since)]

    async def post(self, message: Message, notices: Sequence[int], channels: Sequence[str]) -> None:
        """Put a message on its way; older ones that nobody needs any more go."""
        message_id = await sql.write(self._connection, now=self._now, **asdict(message))
        await sql.told(self._connection, message_id=message_id, ids=list(notices))
        await sql.post(self._connection, message_id=message_id, channels=list(channels))
        await sql.forget(self._connection, before=self._now - KEPT)


async def _channels_out(
    connection: PooledConnection, channels: Collection[str]
) -> dict[str, Standing]:
    rows = sql.channels_out(connection, channels=list(channels))
    return {
        row["channel"]: Standing(row["reason"] or "", row["failing_since"]) async for row in rows
    }


def _incident(row: Mapping[str, Any]) -> Incident:
    # By name: a newer version beside this one may have more columns.
    values = {name: row[name] for name in Incident.__slots__}
    return Incident(**{**values, "kind": Kind(row["kind"])})


def _words(row: Mapping[str, Any]) -> str:
    if row["status"] == Status.MISSED:
        return str((row["data"] or {}).get("reason", ""))
    return f"{row['error_type']}: {row['error_message']}"


def _count(data: Mapping[str, Any] | None) -> int:
    count = (data or {}).get("count", 1)
    return count if isinstance(count, int) and count > 0 else 1
