"""Deletes the old record of e-mails: events, logs, and messages that are finished.

Who got which step of a sequence, and whom nobody writes to, is kept for ever.
"""

from __future__ import annotations

from datetime import timedelta

from pydantic import Field, JsonValue

from scheduler.job import Done, Job, JobContext, Outcome, Params
from scheduler.sql import load_sql
from scheduler.sweep import Sweep

sql = load_sql(__file__)


class CleanupEmailLogs(Params):
    days: int = Field(180, ge=1, le=3650)
    """What is older goes."""
    max_rows: int = Field(5_000_000, ge=1, le=1_000_000_000)
    """What one run deletes of each at most; the next goes on."""


async def run(ctx: JobContext, params: CleanupEmailLogs) -> Outcome:
    """Delete in batches, oldest first; what is done stays done, whatever happens to the rest."""
    cutoff = ctx.scheduled_for - timedelta(days=params.days)
    before = {"before": cutoff}
    sweep = Sweep(ctx, params.max_rows)
    events = 0
    if "email_events" in ctx.tables:
        events = await sweep.delete(sql.old_events, sql.delete_events, before)
    logs = await sweep.delete(sql.old_logs, sql.delete_logs, before)
    messages = await sweep.delete(sql.old_messages, sql.delete_messages, before)
    errors: list[JsonValue] = [
        {"id": str(row), "message": message} for row, message in sweep.refused.items()
    ]
    return Done(
        {
            "trackingEventsDeleted": events,
            "logsDeleted": logs,
            "queueDeleted": messages,
            "cutoff": cutoff.isoformat(),
            "errors": len(errors),
            "errorDetails": errors,
        }
    )


job = Job(
    run=run,
    params=CleanupEmailLogs,
    needs={
        "email_queue": (
            *("id", "status", "created_at", "sent_at", "last_attempt_at", "scheduled_at"),
            *("attempts", "max_attempts", "next_retry_at"),
        ),
        "email_logs": ("id", "created_at"),
    },
    changes=("trackingEventsDeleted", "logsDeleted", "queueDeleted"),
)
