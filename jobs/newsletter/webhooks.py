"""What do the providers tell us as it happens? Their webhooks, taken in once each.

Who unsubscribed, bounced for good or complained is left here at once; opens and clicks become
`email_events`. Nothing that comes in makes anybody active. Providers send again what was not
answered with 2xx, so whatever cannot be understood is answered with 200 too, once it is known to
come from them.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from datetime import timedelta

from pydantic import SecretStr

from jobs.email.suppression import suppress
from jobs.newsletter.deliveries import (
    BrokenDeliveryError,
    from_brevo,
    from_mailchimp,
    from_mailerlite,
    same_secret,
    signed_by_mailerlite,
)
from jobs.newsletter.provider import DEPARTED, Happened
from scheduler.endpoint import Call, Desk, Endpoint, Reply
from scheduler.sql import load_sql

sql = load_sql(__file__)

OFF = Reply(404, "this webhook is not set up here", "text/plain")
WRONG = Reply(401, "not signed by the provider", "text/plain")
TAKEN = Reply(200, "ok", "text/plain")

STALE = timedelta(days=3650)


async def mailerlite(desk: Desk, call: Call) -> Reply:
    """Signed: the header `Signature` is the body's HMAC with MAILERLITE_WEBHOOK_SECRET."""
    on = desk.services.mailerlite
    secret = _text(on.webhook_secret) if on else ""
    if on is None or not secret:
        return OFF
    if not signed_by_mailerlite(secret, call.body, call.headers.get("signature", "")):
        return WRONG
    try:
        happened = from_mailerlite(call.body)
    except BrokenDeliveryError as error:
        return _unread(desk, "mailerlite", error)
    return await take_in(desk, "mailerlite", happened)


async def mailchimp(desk: Desk, call: Call) -> Reply:
    """Mailchimp does not sign: its webhook's address carries `?secret=` MAILCHIMP_WEBHOOK_SECRET.

    It is called with GET when it is set up.
    """
    on = desk.services.mailchimp
    secret = _text(on.webhook_secret) if on else ""
    if on is None or not secret:
        return OFF
    if not same_secret(secret, call.query.get("secret", "")):
        return WRONG
    if call.method == "GET":
        return TAKEN
    try:
        happened = from_mailchimp(call.body, on.list_id)
    except BrokenDeliveryError as error:
        return _unread(desk, "mailchimp", error)
    return await take_in(desk, "mailchimp", happened)


async def brevo(desk: Desk, call: Call) -> Reply:
    """Authorised: the webhook's bearer token is BREVO_WEBHOOK_SECRET."""
    on = desk.services.brevo
    secret = _text(on.webhook_secret) if on else ""
    if on is None or not secret:
        return OFF
    scheme, _, token = call.headers.get("authorization", "").partition(" ")
    good = same_secret(secret, token.strip())
    if not good or scheme.lower() != "bearer":
        return WRONG
    try:
        happened = from_brevo(call.body)
    except BrokenDeliveryError as error:
        return _unread(desk, "brevo", error)
    return await take_in(desk, "brevo", happened)


async def take_in(desk: Desk, provider: str, happened: Sequence[Happened]) -> Reply:
    """Take in what was not taken in before, all of it or nothing."""
    if not happened:
        return TAKEN
    now = desk.now()
    async with desk.db.transaction() as connection:
        rows = sql.new_ones(
            connection, provider=provider, event_ids=[one.event_id for one in happened], now=now
        )
        new = {row["event_id"] async for row in rows}
        fresh = list({one.event_id: one for one in happened if one.event_id in new}.values())
        by_kind: defaultdict[str, list[Happened]] = defaultdict(list)
        for one in fresh:
            by_kind[one.kind].append(one)
        for kind, ones in sorted(by_kind.items()):
            emails = [one.email for one in ones]
            if reason := DEPARTED.get(kind):
                leaving = emails
                if kind == "unsubscribed" and "newsletter_subscribers" in desk.tables:
                    # Who left here was unsubscribed there by us; this is only its echo.
                    rows = sql.left_before(connection, provider=provider, emails=emails)
                    echoes = {row["email"] async for row in rows}
                    leaving = [email for email in emails if email.lower() not in echoes]
                await suppress(
                    connection,
                    leaving,
                    reason=reason,
                    source=provider,
                    now=now,
                    tables=desk.tables,
                    detail=ones[0].detail if len(ones) == 1 else None,
                )
            if status := {"gone": "deleted", **DEPARTED}.get(kind):
                await sql.told(connection, provider=provider, status=status, emails=emails, now=now)
        noted = [one for one in fresh if one.kind != "gone"]
        if noted and {"email_events", "newsletter_subscribers"} <= desk.tables.keys():
            await sql.add_events(
                connection,
                provider=provider,
                kinds=["bounced" if one.kind == "cleaned" else one.kind for one in noted],
                emails=[one.email for one in noted],
                links=[one.link for one in noted],
                event_ids=[one.event_id for one in noted],
                # Nobody's clock is right to the second, but an event is not from the future.
                times=[min(max(one.at or now, now - STALE), now) for one in noted],
            )
    desk.log.info("webhook_taken_in", provider=provider, events=len(happened), new=len(fresh))
    return TAKEN


def _text(secret: SecretStr | None) -> str:
    return secret.get_secret_value() if secret else ""


def _unread(desk: Desk, provider: str, error: BrokenDeliveryError) -> Reply:
    desk.log.warning("webhook_unread", provider=provider, error=str(error))
    return TAKEN


endpoints = (
    Endpoint("/api/v1/newsletter/webhooks/mailerlite", ("POST",), mailerlite),
    Endpoint("/api/v1/newsletter/webhooks/mailchimp", ("GET", "POST"), mailchimp),
    Endpoint("/api/v1/newsletter/webhooks/brevo", ("POST",), brevo),
)
