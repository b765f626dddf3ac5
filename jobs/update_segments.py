"""Keeps the members of every dynamic newsletter segment at who matches its criteria."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

import asyncpg
from pydantic import Field, JsonValue

from jobs.analytics.names import Slugs
from jobs.criteria.columns import Column, read_columns
from jobs.criteria.compiler import compile_criteria, first_free, placed
from jobs.criteria.errors import CriteriaError
from jobs.criteria.guard import every_column, hold, reach
from jobs.criteria.reading import LONGEST, read_criteria
from jobs.criteria.vocabulary import ACCOUNT, SUBSCRIBER
from scheduler.errors import JobError, PermanentError
from scheduler.job import Connection, Done, Explanation, Job, JobContext, Outcome, Params
from scheduler.sql import Query, load_sql
from scheduler.transaction import give_memory, in_plain_words, limit_lock_wait
from scheduler.walk import FIRST_KEY, LAST_KEY, MOST_REFUSED, REFUSED

sql = load_sql(__file__)

MEGABYTES = 128
"""For one hash of everybody, and one of every member: 64 bytes each are enough."""


@dataclass(frozen=True, slots=True)
class Limits:
    chunk: int = 5_000
    """Members a transaction: some 100 ms."""
    chunks: int = 200
    """Found at a time, 37 MB of them; where more people join and leave, the rest is found next."""
    lock_wait: float = 10
    """Seconds that a chunk waits for a locked row; then its segment waits for the next run."""
    refused: int = MOST_REFUSED
    """Above this many members that cannot be written, it is not the members."""


class UpdateSegments(Params):
    segments: Slugs | None = None
    """Slugs: only these segments; all dynamic ones where it is left out."""
    dry_run: bool = False
    """Say how many would join and leave, and change nothing."""
    joins_days: int = Field(400, ge=1, le=3650)
    """How long it is remembered that somebody joined, for sequences that begin after a delay."""


@dataclass(frozen=True, slots=True)
class Segment:
    """One segment as it was read at the beginning."""

    id: UUID
    slug: str
    criteria: str


@dataclass(frozen=True, slots=True)
class Language:
    """What the criteria of all segments may name, and the moment they are held against."""

    columns: Mapping[str, Column]
    now: datetime

    def statement(self, query: Query, segment: Segment) -> tuple[str, tuple[object, ...]]:
        """The query for that segment, and the values behind the query's own. `CriteriaError`."""
        criteria = read_criteria(segment.criteria)
        if criteria == {}:
            raise CriteriaError(
                (),
                "is empty, which would make everybody a member, those who left too; say at least "
                'one condition, such as {"status": "active"}',
            )
        condition = compile_criteria(criteria, self.columns, self.now, first_free(query.sql))
        return placed(query.sql, condition.text), condition.values


class SegmentError(JobError):
    """One segment could not be brought up to date; its criteria are sound."""


# What is wrong with one segment, and not with the run.
OF_ONE_SEGMENT = (CriteriaError, SegmentError, asyncpg.LockNotAvailableError, *REFUSED)


async def run(ctx: JobContext, params: UpdateSegments) -> Outcome:
    return await update_all(ctx, params, Limits())


async def update_all(ctx: JobContext, params: UpdateSegments, limits: Limits) -> Outcome:
    """Change every segment by its difference: who matches now and is no member joins, who is one
    and does not match leaves.

    What counts is now, for a late run too: yesterday's rows are gone, and yesterday's criteria
    over today's rows would make people join and leave who did neither. A broken segment keeps its
    members; the others go on.
    """
    language = await learn(ctx)
    segments = await read_segments(ctx, params.segments)
    answers: dict[str, JsonValue] = {
        slug: {"error": "there is no published dynamic segment of this slug"}
        for slug in params.segments or ()
    }
    updated = changed = 0
    for segment in segments:
        try:
            if params.dry_run:
                answers[segment.slug] = await would(ctx, segment, language)
                continue
            update = Update(ctx, segment, language, limits, changed)
            answers[segment.slug] = await update.run()
            changed = update.changed
            updated += 1
        except OF_ONE_SEGMENT as error:
            path = error.path if isinstance(error, CriteriaError) else None
            said = in_plain_words(error)
            answers[segment.slug] = {"error": said, **({"path": path} if path else {})}
            ctx.log.warning("segment_failed", slug=segment.slug, path=path, error=said)
    if not params.dry_run:
        await forget_joins(ctx, language.now - timedelta(days=params.joins_days), limits.chunk)
    errors = sum("error" in answer for answer in answers.values() if isinstance(answer, dict))
    return Done({"updated": updated, "errors": errors, "segments": answers})


async def explain(ctx: JobContext, _params: UpdateSegments, slug: str) -> Explanation:
    """What an update of that segment would do now."""
    language = await learn(ctx)
    segments = await read_segments(ctx, (slug,))
    if not segments:
        raise PermanentError(f"there is no published dynamic segment {slug!r}")
    text, values = language.statement(sql.count_difference, segments[0])
    counts = await would(ctx, segments[0], language)
    return Explanation(text, (FIRST_KEY, segments[0].id, *values), counts)


async def learn(ctx: JobContext) -> Language:
    async with ctx.db.transaction() as connection:
        columns = {
            **await read_columns(connection, "newsletter_subscribers", "s", SUBSCRIBER),
            **await read_columns(connection, "app_users", "u", ACCOUNT, "user."),
        }
    return Language(columns, ctx.now().astimezone(ctx.timezone))


async def read_segments(ctx: JobContext, slugs: Sequence[str] | None) -> list[Segment]:
    async with ctx.db.transaction() as connection:
        rows = sql.segments(connection, slugs=slugs, longest=LONGEST)
        return [Segment(row["id"], row["slug"], row["criteria"]) async for row in rows]


async def would(ctx: JobContext, segment: Segment, language: Language) -> dict[str, JsonValue]:
    text, values = language.statement(sql.count_difference, segment)
    async with ctx.db.transaction() as connection:
        await guard(connection, segment, language)
        await give_memory(connection, MEGABYTES)
        (row,) = await connection.fetch(text, FIRST_KEY, segment.id, *values)
    return {
        "members": row["members"],
        "wouldJoin": row["would_join"],
        "wouldLeave": row["would_leave"],
    }


async def forget_joins(ctx: JobContext, before: datetime, size: int) -> None:
    forgotten = size
    while forgotten == size:
        async with ctx.db.transaction() as connection:
            forgotten = await sql.forget_joins(connection, before=before, size=size)


async def guard(connection: Connection, segment: Segment, language: Language) -> None:
    """Hold what the server would read for it against what it would read without its criteria."""
    text, values = language.statement(sql.count_difference, segment)
    everything = placed(sql.count_difference.sql, every_column(language.columns))
    allowed = await reach(connection, everything, FIRST_KEY, segment.id)
    hold(await reach(connection, text, FIRST_KEY, segment.id, *values), allowed)


class Update:
    """One segment's update: finds the difference, and changes it a chunk at a time.

    Every chunk is one transaction with its members and its joins, so that a run which is killed
    anywhere leaves nothing half done, and the next one finds what is still different.
    """

    def __init__(
        self,
        ctx: JobContext,
        segment: Segment,
        language: Language,
        limits: Limits,
        changed: int = 0,
    ) -> None:
        self._ctx = ctx
        self._segment = segment
        self._language = language
        self._limits = limits
        self._change = language.statement(sql.change, segment)
        self._refused: list[JsonValue] = []
        self.changed = changed
        """Over all segments, for the progress."""
        self._joined = self._left = 0

    async def run(self) -> dict[str, JsonValue]:
        first: UUID | None = FIRST_KEY
        while first is not None:
            chunks, first = await self._find(first)
            for ids in chunks:
                await self._change_all(ids)
        async with self._ctx.db.transaction() as connection:
            await limit_lock_wait(connection, self._limits.lock_wait)
            members = await sql.finish(connection, **self._as_it_was(), now=self._language.now)
        if members is None:
            raise self._is_another()
        refused: dict[str, JsonValue] = {"refused": self._refused} if self._refused else {}
        return {"members": members, "joined": self._joined, "left": self._left, **refused}

    async def _find(self, first: UUID) -> tuple[list[str], UUID | None]:
        """Who is to join or leave, in chunks, from a key on; and where there may be more."""
        text, values = self._language.statement(sql.chunks, self._segment)
        async with self._ctx.db.transaction() as connection:
            await guard(connection, self._segment, self._language)
            await give_memory(connection, MEGABYTES)
            most = self._limits.chunks
            rows = await connection.fetch(
                text, first, self._segment.id, self._limits.chunk, most, *values
            )
        through = rows[-1]["through"].int if len(rows) == most else LAST_KEY.int
        more = UUID(int=through + 1) if through < LAST_KEY.int else None
        return [row["ids"] for row in rows], more

    async def _change_all(self, ids: str) -> None:
        text, values = self._change
        try:
            async with self._ctx.db.transaction() as connection:
                await limit_lock_wait(connection, self._limits.lock_wait)
                (row,) = await connection.fetch(
                    text, self._segment.id, self._segment.criteria, ids, self._language.now, *values
                )
        except REFUSED as error:
            await self._find_refused(ids, error)
            return
        if not row["is_current"]:
            raise self._is_another()
        self._joined += row["joined"]
        self._left += row["departed"]
        self.changed += row["joined"] + row["departed"]
        self._ctx.progress(self.changed, None)

    async def _find_refused(self, ids: str, error: asyncpg.PostgresError) -> None:
        """Change the rest of a chunk in which the database refuses somebody."""
        keys = ids.strip("{}").split(",")
        if len(keys) > 1:
            half = len(keys) // 2
            for part in (keys[:half], keys[half:]):
                await self._change_all(f"{{{','.join(part)}}}")
            return
        if len(self._refused) >= self._limits.refused:
            raise SegmentError(
                f"the database refused more than {self._limits.refused} members, "
                f"the last one with: {error}"
            ) from error
        self._refused.append({"subscriberId": keys[0], "message": str(error)})
        self._ctx.log.warning("member_refused", id=keys[0], error=str(error))

    def _as_it_was(self) -> dict[str, object]:
        return {"segment": self._segment.id, "criteria": self._segment.criteria}

    def _is_another(self) -> SegmentError:
        return SegmentError(
            "was changed while it was computed; the next run computes what it is now"
        )


job = Job(
    run=run,
    params=UpdateSegments,
    needs={
        "newsletter_segments": (
            "id",
            "status",
            "slug",
            "criteria",
            "subscriber_count",
            "last_computed_at",
            "is_dynamic",
        ),
        "newsletter_segment_members": ("segment_id", "subscriber_id", "added_at"),
        "newsletter_subscribers": ("id", "user_id"),
        "app_users": ("id",),
    },
    explain=explain,
)
