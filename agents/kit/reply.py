"""What has a model's endpoint replied: an answer, or why there is none? Pure."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from enum import StrEnum
from typing import Any

from agents.kit.errors import ModelError, RefusedAnswerError, UnreachableModelError

FORMAT_WORDS = re.compile(
    r"response_format|response format|json_schema|json_object|json schema|json mode"
    r"|structured output|guided|grammar"
)
LIMIT_WORD = "max_completion_tokens"
NOT_KNOWN = re.compile(
    r"unsupported|not supported|does not support|unrecognized|unknown|unexpected|extra|"
    r"not permitted|not allowed|invalid parameter"
)
FILTER_CODES = frozenset({"content_filter", "content_policy_violation"})
SPENT_CODES = frozenset({"insufficient_quota", "billing_hard_limit_reached"})
TOO_LONG_CODES = frozenset({"context_length_exceeded", "string_above_max_length"})
CODE = re.compile(r"[a-z_]{1,50}")
"""A key looks otherwise."""
MOST_OF_A_WAIT = 86_400.0


class NoReplyError(Exception):
    """The endpoint has not answered; its text says how, in a word or two."""

    def __init__(self, why: str, *, sent: bool) -> None:
        super().__init__(why)
        self.sent = sent
        """It may have been at work, and may ask money for it."""


class TooLongReplyError(NoReplyError):
    """The answer was longer than is read."""


@dataclass(frozen=True, slots=True)
class Reply:
    """What came back: an answer, or a refusal with its status."""

    status: int
    headers: Mapping[str, str] = field(repr=False)
    body: bytes = field(repr=False)

    def error(self) -> Mapping[str, Any]:
        """OpenAI's error object, as far as there is one."""
        try:
            data = json.loads(self.body)
        except (ValueError, RecursionError):
            return {}
        inner = data.get("error", data) if isinstance(data, dict) else None
        return inner if isinstance(inner, dict) else {}


class Fate(StrEnum):
    """What becomes of a request after a reply."""

    ANSWERED = "answered"
    AGAIN = "again"
    """It may pass."""
    FORMAT = "format"
    """The endpoint does not know, or cannot keep to, that form of answers."""
    LIMIT = "limit"
    """It knows the limit of an answer by its older name."""
    REFUSED = "refused"


def fate_of(reply: Reply) -> Fate:
    status = reply.status
    if 200 <= status < 300:
        return Fate.ANSWERED
    if status in {400, 422, 501}:
        words = _words(reply)
        if LIMIT_WORD in words and NOT_KNOWN.search(words):
            return Fate.LIMIT
        if FORMAT_WORDS.search(words):
            return Fate.FORMAT
    if status == 429:
        return Fate.REFUSED if _code(reply) in SPENT_CODES else Fate.AGAIN
    return Fate.AGAIN if status in {408, 409} or status >= 500 else Fate.REFUSED


def refusal_of(reply: Reply, model: str) -> ModelError:
    """What to tell people. The endpoint's own words may repeat a key, or strangers' text."""
    status, code = reply.status, _code(reply)
    if code in FILTER_CODES:
        return RefusedAnswerError("the endpoint's content filter refuses the question")
    if code in TOO_LONG_CODES or status == 413:
        return ModelError(f"the question is too long for {model} ({status})")
    if code in SPENT_CODES:
        return UnreachableModelError("the quota of the account at the endpoint is used up (429)")
    match status:
        case 401 | 403:
            why = f"{status}: the endpoint does not accept OPENAI_API_KEY"
        case 404:
            why = f"404: the endpoint knows no model {model}, or OPENAI_BASE_URL is not its address"
        case _ if 300 <= status < 400:
            why = f"{status}: the endpoint points to another address, which is not followed"
        case _:
            why = f"{status}: the endpoint refuses the request"
    if code is not None and CODE.fullmatch(code):
        why = f"{why} ({code})"
    return UnreachableModelError(why)


def seconds_to_retry(headers: Mapping[str, str]) -> float | None:
    """`Retry-After`, in seconds or as a date that is held against the endpoint's own `Date`."""
    value = headers.get("retry-after", "").strip()
    if re.fullmatch(r"[0-9]{1,9}(\.[0-9]{1,9})?", value, re.ASCII):
        return min(float(value), MOST_OF_A_WAIT)
    try:
        at = _aware(parsedate_to_datetime(value))
        here = _aware(parsedate_to_datetime(headers.get("date", "")))
    except (ValueError, TypeError):
        return None
    return min(max((at - here).total_seconds(), 1.0), MOST_OF_A_WAIT)


def _aware(at: datetime) -> datetime:
    return at if at.tzinfo is not None else at.replace(tzinfo=UTC)


def _code(reply: Reply) -> str | None:
    error = reply.error()
    inner = error.get("innererror")
    if isinstance(inner, Mapping) and inner.get("code") == "ResponsibleAIPolicyViolation":
        return "content_filter"
    code = error.get("code") or error.get("type")
    return code if isinstance(code, str) else None


def _words(reply: Reply) -> str:
    """All that an error says: endpoints put it under several names."""
    return reply.body[:4_000].decode("utf-8", "replace").lower()
