"""Publishes a suggestion that was approved: on GitHub, or as something to do in the product.

Without one, what auto_publish has approved, and what was left half done. What a crash has left open
is looked up by its hidden mark before it is sent again.
"""

from __future__ import annotations

from uuid import UUID

from pydantic import JsonValue

from agents.publish import Outcome, publish, publish_ready
from scheduler.errors import ConflictError, PermanentError
from scheduler.job import Done, Job, JobContext, Params
from scheduler.job import Outcome as End


class Publish(Params):
    suggestion: UUID | None = None
    """Only this one, which somebody has approved."""


async def run(ctx: JobContext, params: Publish) -> End:
    """Of one suggestion, an end that is no publication is the run's failure."""
    if params.suggestion is not None:
        outcome = await publish(ctx, params.suggestion)
        if outcome.status == "pending":
            raise ConflictError(f"approve it again: {outcome.error}")
        if outcome.status != "published":
            raise PermanentError(str(outcome.error))
        return Done(shown(outcome))
    outcomes = await publish_ready(ctx)
    counted = [outcome.status for outcome in outcomes]
    listed: list[JsonValue] = [shown(outcome) for outcome in outcomes]
    return Done(
        {
            "published": counted.count("published"),
            "failed": counted.count("publish_failed"),
            "returned": counted.count("pending"),
            "left": counted.count("approved"),
            "suggestions": listed,
        }
    )


def shown(outcome: Outcome) -> dict[str, JsonValue]:
    return {
        "suggestion": str(outcome.suggestion),
        "status": outcome.status,
        "url": outcome.url,
        "error": outcome.error,
    }


def one_for(params: Publish) -> str:
    if params.suggestion is None:
        return "orchestration/publish"
    return f"suggestion:{params.suggestion}"


job = Job(
    run=run,
    params=Publish,
    needs={"projects": ("id", "github_repo", "github_pat_encrypted", "use_global_pat")},
    one_for=one_for,
    counts=("published", "failed", "returned"),
)
