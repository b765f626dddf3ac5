"""What has one sync done? Counted for the answer and for the product's log."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from pydantic import JsonValue

from jobs.newsletter.provider import Outcome, ProviderError

MOST_ERRORS = 50


@dataclass(slots=True)
class Tally:
    """What one sync did, for the answer and for `newsletter_sync_log`."""

    full: bool = False
    created: int = 0
    updated: int = 0
    left: int = 0
    """Unsubscribed there, since they left here."""
    deleted: int = 0
    """Found to have been deleted there."""
    failed: int = 0
    pulled: int = 0
    suppressed: int = 0
    """Left here, since they left there."""
    errors: list[JsonValue] = field(default_factory=list)
    down: str | None = None
    """Why the provider could not be worked with to the end."""

    @property
    def processed(self) -> int:
        return self.created + self.updated + self.left + self.failed

    @property
    def status(self) -> str:
        done = self.created + self.updated + self.left + self.pulled
        if self.down is not None and not done:
            return "failed"
        return "completed" if self.down is None and not self.failed else "partial"

    def count(self, outcomes: Sequence[Outcome]) -> None:
        for outcome in outcomes:
            match outcome.kind:
                case "created":
                    self.created += 1
                case "updated":
                    self.updated += 1
                case "left":
                    self.left += 1
                case "gone":
                    self.deleted += 1
                case "refused" | "failed":
                    message = outcome.message or outcome.kind
                    self.fail({"email": outcome.email, "message": message})

    def fail(self, error: dict[str, JsonValue]) -> None:
        self.failed += 1
        if len(self.errors) < MOST_ERRORS:
            self.errors.append(error)

    def copy(self) -> Tally:
        return replace(self, errors=list(self.errors))

    def stop(self, error: ProviderError) -> None:
        self.down = str(error)
        self.errors = [{"message": self.down}, *self.errors[: MOST_ERRORS - 1]]

    def result(self) -> dict[str, JsonValue]:
        return {
            "success": self.status == "completed",
            "processed": self.processed,
            "created": self.created,
            "updated": self.updated,
            "unsubscribed": self.left,
            "failed": self.failed,
            "pulled": self.pulled,
            "suppressed": self.suppressed,
            "deleted": self.deleted,
            "full": self.full,
            "errors": self.errors,
        }
