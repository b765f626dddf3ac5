"""Enrols people in e-mail sequences and takes everybody who is due a step further."""

from __future__ import annotations

from collections import Counter
from datetime import datetime
from uuid import UUID

import asyncpg
from pydantic import Field, JsonValue

from jobs.sequences.chunks import FOUND, Chunks
from jobs.sequences.definitions import read_definitions
from jobs.sequences.enrolment import Enrolment
from jobs.sequences.model import Definitions, SequenceOfSteps
from jobs.sequences.steps import Steps
from jobs.sequences.webhooks import MakeCaller, Webhooks, caller_of
from scheduler.errors import PermanentError
from scheduler.job import Connection, Done, Enrolling, Job, JobContext, Json, Outcome, Params
from scheduler.sql import load_sql

sql = load_sql(__file__)

SENDER = "process-email-queue"


class ProcessSequences(Params):
    max_per_day: int = Field(3, ge=1, le=100)
    """Messages that one person gets in a day at most, over all sequences; the rest waits."""
    webhook_attempts: int = Field(5, ge=1, le=20)
    """How often a webhook is called, at growing distances, before the enrolment fails."""


async def run(ctx: JobContext, params: ProcessSequences) -> Outcome:
    """Enrol, cancel, advance.

    Nobody is written to for what happened before a sequence was first seen active, and enrolments
    that the product made before then stay as they are: both are taken up by `lamplighter enroll
    SEQUENCE --existing` only. What counts is now, for a late run too. A broken sequence is named,
    and the others go on.
    """
    return await process(ctx, params, caller_of)


async def process(ctx: JobContext, params: ProcessSequences, make_caller: MakeCaller) -> Outcome:
    """`run`, with the calls of webhooks made by `make_caller`'s."""
    now = ctx.now()
    definitions = await read_definitions(ctx, now)
    chunks = Chunks(ctx)
    counts: Counter[str] = Counter()
    errors: list[JsonValue] = [problem.detail() for problem in definitions.problems]

    enrolment = Enrolment(ctx, now, chunks)
    for sequence in definitions.sequences:
        try:
            counts["enrolled"] += await enrolment.by_trigger(sequence)
        except asyncpg.DataError as error:
            # Values that no config should be able to make; the other sequences go on all the same.
            errors.append(
                {"sequence": sequence.slug, "path": "trigger_config", "message": str(error)}
            )
            ctx.log.warning("sequence_broken", sequence=sequence.slug, error=str(error))

    counts["cancelled"] += await cancel(ctx, chunks)
    steps = Steps(ctx, definitions.sequences, now, params.max_per_day, chunks)
    webhooks = Webhooks(
        ctx, definitions.sequences, now, params.webhook_attempts, chunks, make_caller
    )
    await steps.complete()
    await steps.go()
    while await webhooks.go():
        await steps.go()
    await recount(ctx, definitions)

    counts.update(steps.counts)
    counts.update(webhooks.counts)
    if counts["queued"] and SENDER not in ctx.scheduled_jobs:
        ctx.log.warning("messages_wait", note=f"the schedule does not run {SENDER}")
    errors += chunks.details()
    names = ("enrolled", "processed", "queued", "completed", "failed", "cancelled", "capped")
    return Done(
        {
            **{name: counts[name] for name in names},
            "webhooksCalled": counts["called"],
            "webhooksFailed": counts["callsFailed"],
            "errors": len(errors),
            "errorDetails": errors,
        }
    )


async def cancel(ctx: JobContext, chunks: Chunks) -> int:
    """End the enrolments of who left, bounced or complained, and of archived sequences."""

    async def change(connection: Connection, ids: list[UUID]) -> int:
        cancelled = int(await sql.cancel(connection, ids=ids))
        chunks.add(cancelled)
        return cancelled

    cancelled, found, changed = 0, FOUND, 1
    while found == FOUND and changed:
        async with ctx.db.transaction() as connection:
            ids = [row["id"] async for row in sql.over(connection, most=FOUND)]
        found = len(ids)
        changed = sum(await chunks.change(ids, change))
        cancelled += changed
    return cancelled


async def recount(ctx: JobContext, definitions: Definitions) -> None:
    """Keep the numbers that the product shows."""
    segments = {
        step.segment_id
        for sequence in definitions.sequences
        for step in sequence.steps
        if step.segment_id is not None
    }
    async with ctx.db.transaction() as connection:
        await sql.recount_sequences(connection)
        await sql.recount_segments(connection, segments=sorted(segments))


async def enroll_one(ctx: JobContext, _: ProcessSequences, slug: str, email: str) -> Json:
    """Enrol the subscriber of that address, whatever the trigger."""
    now, definitions, sequence = await _find(ctx, slug)
    async with ctx.db.transaction() as connection:
        person = await sql.person(connection, sequence=sequence.id, email=email)
        if person is None:
            raise PermanentError(f"there is no subscriber {email!r}")
        if not person["may_be_written_to"]:
            raise PermanentError(
                f"{person['email']} may not be written to: unsubscribed, bounced or suppressed"
            )
        adopted = person["enrollment"] is not None and person["is_old"] is not False
        if adopted and person["enrollment_status"] in {"active", None}:
            await sql.adopt_one(connection, id=person["enrollment"], now=now)
        elif person["enrollment"] is not None:
            raise PermanentError(
                f"{person['email']} is enrolled in {slug} already, and is"
                f" {person['enrollment_status']} there; once for each person is all"
            )
    chunks = Chunks(ctx)
    enrolled = 0 if adopted else await Enrolment(ctx, now, chunks).one(sequence, person["id"])
    if chunks.refused:
        raise PermanentError("; ".join(chunks.refused.values()))
    await recount(ctx, definitions)
    return {"enrolled": enrolled, "adopted": int(adopted)}


async def count_existing(ctx: JobContext, _: ProcessSequences, slug: str) -> Json:
    """How many `enroll_existing` would enrol, and how many of the product's own would go on."""
    now, definitions, sequence = await _find(ctx, slug)
    _refuse_broken(definitions, slug)
    people = await Enrolment(ctx, now, Chunks(ctx)).count_existing(sequence)
    async with ctx.db.transaction() as connection:
        old = await sql.count_old(connection, sequence=sequence.id)
    return {"enrolled": people, "adopted": old}


async def enroll_existing(ctx: JobContext, _: ProcessSequences, slug: str) -> Json:
    """Enrol also those for whom the trigger happened before the sequence was first seen active,
    and take the product's own enrolments from before over, at the step where they stand.
    """
    now, definitions, sequence = await _find(ctx, slug)
    _refuse_broken(definitions, slug)
    chunks = Chunks(ctx)
    async with ctx.db.transaction() as connection:
        old = await sql.count_old(connection, sequence=sequence.id)
        await sql.adopt(connection, sequence=sequence.id, now=now)
    people = await Enrolment(ctx, now, chunks).existing(sequence)
    await recount(ctx, definitions)
    return {"enrolled": people, "adopted": old, "refused": len(chunks.refused)}


async def _find(ctx: JobContext, slug: str) -> tuple[datetime, Definitions, SequenceOfSteps]:
    now = ctx.now()
    definitions = await read_definitions(ctx, now)
    sequence = definitions.named(slug)
    if sequence is None:
        raise PermanentError(f"there is no active sequence {slug!r} with steps")
    return now, definitions, sequence


def _refuse_broken(definitions: Definitions, slug: str) -> None:
    """Without its trigger nobody can tell whom it concerns. Raises `PermanentError`."""
    for problem in definitions.problems:
        if problem.sequence == slug and problem.path.startswith("trigger"):
            raise PermanentError(f"{slug}: {problem.path}: {problem.message}")


job = Job(
    run=run,
    params=ProcessSequences,
    needs={
        "app_users": (
            *("id", "display_name", "subscription_tier", "subscription_started_at"),
            *("subscription_ends_at", "credits_reset_at", "last_login_at", "last_generation_at"),
            "created_at",
        ),
        "analytics_events": ("id", "event_type", "user_id"),
        "newsletter_subscribers": (
            *("id", "status", "email", "user_id", "first_name", "last_name", "subscription_tier"),
            *("interests", "subscribed_at", "created_at", "double_optin_at", "last_email_at"),
            *("last_opened_at", "last_clicked_at"),
        ),
        "newsletter_segments": ("id", "slug", "is_dynamic", "subscriber_count"),
        "newsletter_segment_members": ("segment_id", "subscriber_id", "added_at"),
        "newsletter_sequences": (
            *("id", "status", "name", "slug", "trigger_type", "trigger_config", "segment_id"),
            *("total_enrolled", "total_completed", "active_enrollments"),
        ),
        "newsletter_sequence_steps": (
            *("id", "sequence_id", "step_order", "name", "delay_value", "delay_unit"),
            *("action_type", "subject", "content_html", "content_text", "template_id"),
            "action_config",
        ),
        "newsletter_sequence_enrollments": (
            *("id", "sequence_id", "subscriber_id", "current_step", "status", "next_step_at"),
            *("enrolled_at", "completed_at"),
        ),
        "email_queue": (
            *("id", "status", "priority", "to_email", "to_name", "from_email", "from_name"),
            *("subject", "html_body", "text_body", "template_data", "tracking_data", "user_id"),
            *("reference_type", "reference_id", "scheduled_at", "created_at", "updated_at"),
        ),
        "email_templates": ("id", "subject", "html_template", "text_template"),
    },
    enroll=Enrolling(one=enroll_one, count=count_existing, existing=enroll_existing),
    counts=("enrolled", "processed", "queued", "completed", "failed", "cancelled"),
)
