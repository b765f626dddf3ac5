"""What the end of an attempt means for its run. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import assert_never

from scheduler.entry import Retry
from scheduler.job import Done, Outcome, RetryLater, Skipped
from scheduler.run import Settlement, Status
from scheduler.running.retry import backoff


@dataclass(frozen=True, slots=True)
class Failed:
    """The job raised."""

    type: str
    message: str
    permanent: bool = False


@dataclass(frozen=True, slots=True)
class TimedOut:
    """The job was cancelled at its timeout."""

    after: str


@dataclass(frozen=True, slots=True)
class Cancelled:
    """Somebody, or the next fire, asked for it to stop."""

    message: str


@dataclass(frozen=True, slots=True)
class Interrupted:
    """This process is stopping; the run goes on elsewhere or after the restart."""


End = Outcome | Failed | TimedOut | Cancelled | Interrupted


def settlement(
    end: End, *, attempt: int, max_attempts: int, retry: Retry, now: datetime, dice: float
) -> Settlement:
    """What `end` makes of a run whose `attempt` (1 for the first) of `max_attempts` it was."""
    again = now + backoff(retry, attempt, dice)
    left = attempt < max_attempts
    match end:
        case Done(data):
            return Settlement(Status.SUCCEEDED, "succeeded", data=data)
        case Skipped(reason, data):
            return Settlement(Status.SKIPPED, "skipped", data={**data, "reason": reason})
        case RetryLater(reason, after):
            if left:
                return Settlement(
                    Status.RETRYING,
                    "retry_later",
                    error_type="RetryLater",
                    error_message=reason,
                    next_attempt_at=now + after,
                )
            return Settlement(
                Status.FAILED, "failed", error_type="RetryLater", error_message=reason
            )
        case Failed(type_, message, permanent):
            will_retry = left and not permanent
            return Settlement(
                Status.RETRYING if will_retry else Status.FAILED,
                "failed",
                error_type=type_,
                error_message=message,
                next_attempt_at=again if will_retry else None,
            )
        case TimedOut(after_text):
            return Settlement(
                Status.RETRYING if left else Status.TIMED_OUT,
                "timed_out",
                error_type="Timeout",
                error_message=f"not finished after {after_text}",
                next_attempt_at=again if left else None,
            )
        case Cancelled(message):
            return Settlement(
                Status.CANCELLED, "cancelled", error_type="Cancelled", error_message=message
            )
        case Interrupted():
            return Settlement(
                Status.RETRYING if left else Status.ABANDONED,
                "interrupted",
                error_type="Interrupted",
                error_message="the daemon was stopped while it ran",
                next_attempt_at=now if left else None,
                next_cause="rescue",
            )
        case _:
            assert_never(end)
