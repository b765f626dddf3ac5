"""When may a token make its next request? What GitHub's limits say.

Seconds are of the monotonic clock. GitHub's own clock (its `Date`) tells how far away a reset is.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

AT_LEAST = 60.0
"""Seconds to wait after a secondary limit that does not say how long; doubled each further time."""
AT_MOST = 3600.0
"""Seconds: a primary limit lasts an hour."""
MANY = 1_000_000_000
"""Requests: whoever has more is not limited."""


@dataclass(frozen=True, slots=True)
class Quota:
    """What is left of a token's requests."""

    resource: str
    limit: int
    remaining: int
    reset_at: datetime


@dataclass(slots=True)
class Limits:
    """What is known of one token."""

    free_at: float = 0.0
    quotas: dict[str, Quota] = field(default_factory=dict)
    refused: int = 0
    """Secondary limits met in a row."""

    def note(self, status: int, headers: Mapping[str, str], body: bytes, clock: float) -> bool:
        """Take in one answer; whether it was refused because of a limit."""
        quota = quota_of(headers)
        if quota is not None:
            self.quotas[quota.resource] = quota
        spent = quota is not None and quota.remaining <= 0 and quota.resource == "core"
        limited = status == 429 or (
            status == 403 and (spent or "retry-after" in headers or speaks_of_limit(body))
        )
        if limited and not spent:
            told = seconds_to_retry(headers)
            wait = AT_LEAST * 2 ** min(self.refused, 6) if told is None else told
            self.refused += 1
        elif quota is not None and spent:
            # Whoever asks on is refused, and may be shut out.
            wait = (quota.reset_at - date_of(headers, quota.reset_at)).total_seconds() + 1
            wait = max(wait, seconds_to_retry(headers) or 0.0)
        else:
            if status < 500:
                self.refused = 0
            return False
        self.free_at = max(self.free_at, clock + min(max(wait, 1.0), AT_MOST))
        return limited


def quota_of(headers: Mapping[str, str]) -> Quota | None:
    try:
        resource = headers.get("x-ratelimit-resource", "core")
        return Quota(
            resource[:50] if resource.isascii() else "unknown",
            min(int(headers["x-ratelimit-limit"]), MANY),
            min(int(headers["x-ratelimit-remaining"]), MANY),
            datetime.fromtimestamp(int(headers["x-ratelimit-reset"]), UTC),
        )
    except (KeyError, ValueError, OverflowError, OSError):
        return None  # GitHub Enterprise without limits sends none


def seconds_to_retry(headers: Mapping[str, str]) -> float | None:
    """`Retry-After`, in seconds or as a date."""
    value = headers.get("retry-after", "").strip()
    if value.isascii() and value.isdigit():
        return float(value[:9])
    try:
        at = parsedate_to_datetime(value)
    except (ValueError, TypeError):
        return None
    return max((_aware(at) - date_of(headers, _aware(at))).total_seconds(), 1.0)


def date_of(headers: Mapping[str, str], otherwise: datetime) -> datetime:
    try:
        return _aware(parsedate_to_datetime(headers["date"]))
    except (KeyError, ValueError, TypeError):
        return otherwise


def speaks_of_limit(body: bytes) -> bool:
    text = body[:2000].lower()
    return b"rate limit" in text or b"abuse detection" in text


def _aware(at: datetime) -> datetime:
    return at if at.tzinfo is not None else at.replace(tzinfo=UTC)
