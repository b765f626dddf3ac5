"""Which sequences are active, and since when?"""

from __future__ import annotations

from datetime import datetime
from hashlib import sha256
from uuid import UUID

from jobs.sequences.configs import LONGEST
from jobs.sequences.model import MOST_STEPS, Definitions, Segment
from jobs.sequences.reading import Reader
from scheduler.job import JobContext, Row
from scheduler.sql import load_sql

sql = load_sql(__file__)


async def read_definitions(ctx: JobContext, now: datetime) -> Definitions:
    """Read what is active, and remember since when it is.

    A sequence without steps is not active yet. One that is back from a pause, or has another
    trigger than before, begins anew: what happened meanwhile enrols nobody.
    """
    async with ctx.db.transaction() as connection:
        rows = [row async for row in sql.sequences(connection, longest=LONGEST)]
        ids = [row["id"] for row in rows]
        steps: dict[UUID, list[Row]] = {key: [] for key in ids}
        async for step in sql.steps(connection, sequences=ids, longest=LONGEST, most=MOST_STEPS):
            steps[step["sequence_id"]].append(step)
        await sql.remember(
            connection, sequences=ids, triggers=[_trigger_key(row) for row in rows], now=now
        )
        await sql.notice_pauses(connection, sequences=ids)
        known = {row["sequence_id"]: row async for row in sql.known(connection, sequences=ids)}
    reader = Reader(ctx)
    for row in rows:
        reader.read(row, steps[row["id"]])
    async with ctx.db.transaction() as connection:
        found = sql.segments(connection, slugs=reader.slugs, ids=reader.segment_ids)
        segments: dict[str | UUID, Segment] = {}
        async for row in found:
            segment = Segment(row["id"], row["is_dynamic"])
            segments |= {row["slug"]: segment, row["id"]: segment}
    return reader.finish(segments, known)


def _trigger_key(row: Row) -> str:
    whole = f"{row['trigger_type']} {row['trigger_config'] or '{}'} {row['segment_id']}"
    return sha256(whole.encode()).hexdigest()
