"""Who sends this webhook, and what does it tell? Pure.

Deliveries carry no id that is the same each time, so one is made of what makes an event itself:
what happened, to whom, in which campaign, when, on which link.
"""

from __future__ import annotations

import hmac
import json
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from hashlib import sha256
from typing import Any
from urllib.parse import parse_qsl

from jobs.newsletter.provider import CONTROLS, Happened, is_address
from jobs.newsletter.reading import read_json

MOST_EVENTS = 2_000
MOST_FIELDS = 500
MOST_LINK = 2_000
MOST_DETAIL = 300

MAILERLITE = {
    "subscriber.unsubscribed": "unsubscribed",
    "subscriber.bounced": "bounced",
    "subscriber.spam_reported": "complained",
    "subscriber.deleted": "gone",
    "campaign.open": "opened",
    "campaign.click": "clicked",
}
# Marketing and transactional webhooks name things differently, and so do the API and its payloads.
BREVO = {
    "unsubscribe": "unsubscribed",
    "unsubscribed": "unsubscribed",
    "hardbounce": "bounced",
    "invalidemail": "bounced",
    "invalid": "bounced",
    "spam": "complained",
    "complaint": "complained",
    "opened": "opened",
    "open": "opened",
    "uniqueopened": "opened",
    "click": "clicked",
    "clicked": "clicked",
    "delivered": "delivered",
    "contactdeleted": "gone",
}


class BrokenDeliveryError(ValueError):
    """It is signed, but cannot be read."""


def signed_by_mailerlite(secret: str, body: bytes, signature: str) -> bool:
    """The HMAC-SHA256 of the body as it came, in hex."""
    expected = hmac.new(secret.encode(), body, sha256).hexdigest()
    return hmac.compare_digest(
        expected.encode(), signature.strip().lower().encode("utf-8", "surrogateescape")
    )


def same_secret(secret: str, given: str) -> bool:
    return hmac.compare_digest(secret.encode(), given.encode("utf-8", "surrogateescape"))


def from_mailerlite(body: bytes) -> list[Happened]:
    """One event, or with `batchable` several in `events`; the subscriber inside it or around it."""
    document = _json(body)
    events = document.get("events") if isinstance(document, dict) else None
    return _all(events if isinstance(events, list) else [document], _mailerlite)


def from_brevo(body: bytes) -> list[Happened]:
    """One event, or a list of them."""
    document = _json(body)
    return _all(document if isinstance(document, list) else [document], _brevo)


def from_mailchimp(body: bytes, list_id: str) -> list[Happened]:
    """A form. What concerns another list is not ours."""
    try:
        form = dict(parse_qsl(body.decode(), max_num_fields=MOST_FIELDS))
    except ValueError as error:
        raise BrokenDeliveryError("the body is no form") from error
    if form.get("data[list_id]") != list_id:
        return []
    kind, reason = form.get("type"), form.get("data[reason]")
    match kind:
        case "unsubscribe" if form.get("data[action]") == "delete":
            happened = "gone"
        case "unsubscribe":
            happened = "complained" if reason == "abuse" else "unsubscribed"
        case "cleaned":
            happened = "complained" if reason == "abuse" else "cleaned"
        case _:
            return []
    at = form.get("fired_at")
    made = _happened(happened, form.get("data[email]"), at, campaign=form.get("data[campaign_id]"))
    return list(made)


def _all(events: list[Any], read: Any) -> list[Happened]:
    if len(events) > MOST_EVENTS:
        raise BrokenDeliveryError(f"more than {MOST_EVENTS} events in one delivery")
    return [happened for event in events if isinstance(event, dict) for happened in read(event)]


def _mailerlite(event: Mapping[str, Any]) -> Iterator[Happened]:
    kind = MAILERLITE.get(str(event.get("event") or event.get("type")))
    data = event.get("data")
    where = [event, *([data] if isinstance(data, dict) else [])]
    found = [inner for outer in where if isinstance(inner := outer.get("subscriber"), dict)]
    email = next((one["email"] for one in [*found, *where] if one.get("email")), None)
    campaign = next((one["campaign"] for one in where if one.get("campaign")), None)
    at = next(
        (
            one[k]
            for one in where
            for k in ("timestamp", "date", "clicked_at", "opened_at", "created_at")
            if one.get(k)
        ),
        None,
    )
    link = next((one[k] for one in where for k in ("link", "url") if one.get(k)), None)
    link = link.get("url") if isinstance(link, dict) else link
    campaign = campaign.get("id") if isinstance(campaign, dict) else campaign
    if kind:
        yield from _happened(kind, email, at, link=link, campaign=campaign)


def _brevo(event: Mapping[str, Any]) -> Iterator[Happened]:
    kind = BREVO.get(str(event.get("event")).replace("_", "").lower())
    if kind is None:
        return
    emails = event.get("email")
    at = event.get("ts_event") or event.get("ts") or event.get("date_event") or event.get("date")
    for email in emails[:MOST_EVENTS] if isinstance(emails, list) else [emails]:
        yield from _happened(
            kind,
            email,
            at,
            link=event.get("link") or event.get("URL"),
            campaign=event.get("camp_id") or event.get("message-id"),
            detail=event.get("reason"),
        )


def _happened(
    kind: Any,
    email: object,
    at: object,
    *,
    link: object = None,
    campaign: object = None,
    detail: object = None,
) -> Iterator[Happened]:
    if not isinstance(email, str) or not is_address(email):
        return
    link = CONTROLS.sub(" ", link)[:MOST_LINK] if isinstance(link, str) else None
    parts = [kind, email.lower(), str(campaign or ""), str(at or ""), link or ""]
    event_id = sha256(json.dumps(parts).encode()).hexdigest()
    said = CONTROLS.sub(" ", detail)[:MOST_DETAIL] if isinstance(detail, str) else None
    yield Happened(kind, email, event_id, _time(at), link, said)


def _time(value: object) -> datetime | None:
    """Seconds or milliseconds since 1970, or a text; without a zone it is UTC."""
    try:
        if isinstance(value, int | float) and not isinstance(value, bool):
            return datetime.fromtimestamp(value / 1000 if value > 1e11 else value, UTC)
        if isinstance(value, str) and value:
            at = datetime.fromisoformat(value)
            return at if at.tzinfo else at.replace(tzinfo=UTC)
    except (ValueError, OverflowError, OSError):
        return None
    return None


def _json(body: bytes) -> Any:
    try:
        return read_json(body)
    except (ValueError, RecursionError) as error:
        raise BrokenDeliveryError("the body is no JSON") from error
