"""What a run is made of: an entry of the schedule, a moment, and who asked for it."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Collection
from datetime import datetime, timedelta
from uuid import uuid4

from scheduler.db.runs import Fire
from scheduler.entry import Entry
from scheduler.job import Params
from scheduler.run import Trigger


def fire_by_hand(
    entry: Entry,
    params: Params,
    *,
    trigger: Trigger,
    now: datetime,
    requested_by: str,
    reason: str | None = None,
    idempotency_key: str | None = None,
    asked: Collection[str] = (),
) -> Fire:
    """A run that somebody asks for now; it is for this moment.

    `asked` are the parameters that the caller gave: a call repeated after the schedule's own have
    changed is still the same call.
    """
    kept = params.model_dump(mode="json")
    return Fire(
        id=uuid4(),
        job=entry.name,
        job_type=entry.job,
        trigger=trigger,
        scheduled_for=now,
        overlap_key=entry.name,
        params=kept,
        max_attempts=entry.retry.attempts,
        requested_by=requested_by,
        reason=reason,
        idempotency_key=idempotency_key,
        arguments_hash=arguments_hash(entry.name, {name: kept[name] for name in asked})
        if idempotency_key
        else None,
    )


def fire_on_clock(
    entry: Entry, scheduled_for: datetime, *, trigger: Trigger, dice: float = 0.0
) -> Fire:
    """A fire of the clock; `dice` (0 to 1) places it within the entry's jitter."""
    return Fire(
        id=uuid4(),
        job=entry.name,
        job_type=entry.job,
        trigger=trigger,
        scheduled_for=scheduled_for,
        overlap_key=entry.name,
        overlap=entry.overlap,
        params=entry.params.model_dump(mode="json"),
        max_attempts=entry.retry.attempts,
        not_before=scheduled_for + entry.jitter * dice if entry.jitter > timedelta(0) else None,
    )


def arguments_hash(name: str, params: object) -> str:
    """Tells whether a repeated call asks for the same."""
    text = json.dumps([name, params], sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()
