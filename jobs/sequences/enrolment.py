"""Whom does a sequence's trigger enrol?"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import assert_never
from uuid import UUID

from jobs.analytics.events import event_sql
from jobs.sequences.chunks import FOUND, Chunks
from jobs.sequences.configs import DateField, Event, Manual, SegmentJoined, Signup, TagAdded
from jobs.sequences.model import SequenceOfSteps
from scheduler.job import Connection, JobContext
from scheduler.sql import Query

LATE = timedelta(days=7)
"""How much later than it happened something may be written down, and still enrol."""
EVER = datetime.min.replace(tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Question:
    """A query for the people of a trigger, and how many there are, with what both take."""

    find: Query
    count: Query | None
    parameters: dict[str, object]


class Enrolment:
    """Enrols the people of one sequence after the other."""

    def __init__(self, ctx: JobContext, now: datetime, chunks: Chunks) -> None:
        self._ctx = ctx
        self._sql = event_sql(__file__, ctx.tables)
        self._now = now
        self._chunks = chunks

    async def by_trigger(self, sequence: SequenceOfSteps) -> int:
        """Enrol those for whom it happened since the sequence is active; how many."""
        since = sequence.active_since
        if sequence.looked_at is not None:
            since = max(since, sequence.looked_at - LATE)
        enrolled = 0
        if isinstance(sequence.trigger, TagAdded):
            await self._note_holders(sequence.trigger.tag)
        question = self._since(sequence, since)
        if question is not None:
            enrolled = await self._enroll_all(sequence, question)
        async with self._ctx.db.transaction() as connection:
            await self._sql.note_look(
                connection,
                sequence=sequence.id,
                active_since=sequence.active_since,
                now=self._now,
            )
        return enrolled

    async def count_existing(self, sequence: SequenceOfSteps) -> int:
        """How many would be enrolled if what happened before counted too."""
        question = self._ever(sequence)
        if question is None or question.count is None:
            return 0
        async with self._ctx.db.transaction() as connection:
            return int(await question.count(connection, **question.parameters))

    async def existing(self, sequence: SequenceOfSteps) -> int:
        """Enrol also those for whom it happened before; how many."""
        question = self._ever(sequence)
        return 0 if question is None else await self._enroll_all(sequence, question)

    async def one(self, sequence: SequenceOfSteps, subscriber: UUID) -> int:
        """Enrol this person: 1, or 0 where that may not be, or is done already."""
        return sum(await self._chunks.change([subscriber], partial(self._enroll, sequence)))

    async def _enroll_all(self, sequence: SequenceOfSteps, question: Question) -> int:
        enrolled, found, changed = 0, FOUND, 1
        # Where there were too many to find at once, those enrolled are not found again.
        while found == FOUND and changed:
            async with self._ctx.db.transaction() as connection:
                rows = question.find(connection, **question.parameters, most=FOUND)
                ids = [row["id"] async for row in rows]
            found = len(ids)
            changed = sum(await self._chunks.change(ids, partial(self._enroll, sequence)))
            enrolled += changed
        return enrolled

    async def _enroll(
        self, sequence: SequenceOfSteps, connection: Connection, ids: list[UUID]
    ) -> int:
        rows = self._sql.enroll(
            connection,
            sequence=sequence.id,
            ids=ids,
            start=sequence.start,
            first_delay=sequence.steps[0].delay,
            now=self._now,
        )
        enrolled = len([row async for row in rows])
        self._chunks.add(enrolled)
        return enrolled

    def _since(self, sequence: SequenceOfSteps, since: datetime) -> Question | None:
        common = self._common(sequence, since)
        sql = self._sql
        match sequence.trigger:
            case SegmentJoined() as joined:
                assert sequence.segment is not None  # noqa: S101 - definitions gives both or none
                find = sql.find_joined if sequence.segment.is_dynamic else sql.find_added
                return Question(
                    find,
                    None,
                    {
                        **common,
                        "segment": sequence.segment.id,
                        "active_since": sequence.active_since,
                        "delay": timedelta(days=joined.delay_days),
                    },
                )
            case TagAdded(tag=tag):
                return Question(sql.find_tag, None, {**common, "tag": tag})
            case _:
                return self._of_moments(sequence, common)

    def _ever(self, sequence: SequenceOfSteps) -> Question | None:
        common = self._common(sequence, EVER)
        sql = self._sql
        match sequence.trigger:
            case SegmentJoined() as joined:
                assert sequence.segment is not None  # noqa: S101 - definitions gives both or none
                return Question(
                    sql.find_added,
                    sql.count_added,
                    {
                        **common,
                        "segment": sequence.segment.id,
                        "active_since": EVER,
                        "delay": timedelta(days=joined.delay_days),
                    },
                )
            case TagAdded(tag=tag):
                parameters = {"sequence": sequence.id, "tag": tag}
                return Question(sql.find_holding, sql.count_holding, parameters)
            case _:
                return self._of_moments(sequence, common)

    def _of_moments(self, sequence: SequenceOfSteps, common: dict[str, object]) -> Question | None:
        """The triggers whose past can be told from the rows as from what happens now."""
        sql = self._sql
        match sequence.trigger:
            case Signup():
                return Question(sql.find_signup, sql.count_signup, common)
            case Event(event=event):
                return Question(sql.find_event, sql.count_event, {**common, "event": event})
            case DateField(field=field, offset_days=days):
                return Question(
                    sql.find_date,
                    sql.count_date,
                    {**common, "field": field, "delay": timedelta(days=days)},
                )
            case Manual() | SegmentJoined() | TagAdded():
                return None
            case _:
                assert_never(sequence.trigger)

    def _common(self, sequence: SequenceOfSteps, since: datetime) -> dict[str, object]:
        return {"sequence": sequence.id, "since": since, "now": self._now}

    async def _note_holders(self, tag: str) -> None:
        """Remember who has the tag, since a row does not say since when."""
        noted = FOUND
        while noted == FOUND:
            async with self._ctx.db.transaction() as connection:
                await self._sql.give_memory(connection)
                noted = await self._sql.note_holders(connection, tag=tag, now=self._now, most=FOUND)
        async with self._ctx.db.transaction() as connection:
            await self._sql.give_memory(connection)
            await self._sql.forget_holders(connection, tag=tag)
            await self._sql.note_baseline(connection, tag=tag, now=self._now)
