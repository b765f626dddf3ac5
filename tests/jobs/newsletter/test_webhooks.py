"""Is what the providers tell us believed only from them, and taken in once?"""

from __future__ import annotations

import hmac
import json
from collections.abc import Mapping
from datetime import UTC, datetime
from hashlib import sha256
from typing import Any
from urllib.parse import urlencode

import pytest
from pydantic import SecretStr

from jobs.newsletter.reading import read_json
from jobs.newsletter.webhooks import endpoints
from scheduler.endpoint import Call, Desk, Reply
from scheduler.services import Brevo, Mailchimp, MailerLite, Services
from tests.support.jobs import NOW, Log, PlainDatabase, Product
from tests.support.newsletters import Newsletter

KEY, SECRET = SecretStr("key"), SecretStr("hook-secret")
ON = Services(
    mailerlite=MailerLite(KEY, "http://x", None, SECRET),
    mailchimp=Mailchimp(KEY, "http://x", "aud1", SECRET),
    brevo=Brevo(KEY, "http://x", 7, SECRET),
)
NO_SECRET = Services(
    mailerlite=MailerLite(KEY, "http://x"),
    mailchimp=Mailchimp(KEY, "http://x", "aud1"),
    brevo=Brevo(KEY, "http://x", 7),
)
HANDLERS = {endpoint.path.rpartition("/")[2]: endpoint for endpoint in endpoints}


async def call(
    shop: Product,
    provider: str,
    body: bytes = b"",
    *,
    headers: Mapping[str, str] | None = None,
    query: Mapping[str, str] | None = None,
    method: str = "POST",
    services: Services = ON,
) -> Reply:
    desk = Desk(PlainDatabase(shop.pool, None), shop.tables, services, lambda: NOW, Log())
    endpoint = HANDLERS[provider]
    assert method in endpoint.methods
    return await endpoint.handle(desk, Call(method, {}, query or {}, headers or {}, body))


def signature(body: bytes, secret: SecretStr = SECRET) -> dict[str, str]:
    return {"signature": hmac.new(secret.get_secret_value().encode(), body, sha256).hexdigest()}


async def tell(shop: Product, provider: str, event: Any) -> Reply:
    """A delivery as the provider makes it."""
    match provider:
        case "mailerlite":
            body = json.dumps(event).encode()
            return await call(shop, provider, body, headers=signature(body))
        case "mailchimp":
            body = urlencode(event).encode()
            return await call(shop, provider, body, query={"secret": "hook-secret"})
        case _:
            headers = {"authorization": "Bearer hook-secret"}
            return await call(shop, provider, json.dumps(event).encode(), headers=headers)


def mailerlite(event: str, email: str = "ann@example.com", **more: Any) -> dict[str, Any]:
    return {"id": "1", "email": email, "event": event, "account_id": 5, **more}


def mailchimp(kind: str, email: str = "ann@example.com", **more: str) -> dict[str, str]:
    data = {"list_id": "aud1", "email": email, **more}
    fired = {"type": kind, "fired_at": "2026-01-30 10:00:00"}
    return fired | {f"data[{name}]": value for name, value in data.items()}


def brevo(event: str, email: Any = "ann@example.com", **more: Any) -> dict[str, Any]:
    return {
        "event": event,
        "email": email,
        "id": 9,
        "camp_id": 3,
        "ts_event": 1_769_767_200,
        **more,
    }


DEPARTURES = [
    ("mailerlite", mailerlite("subscriber.unsubscribed"), "unsubscribed"),
    ("mailerlite", mailerlite("subscriber.bounced"), "bounced"),
    ("mailerlite", mailerlite("subscriber.spam_reported"), "complained"),
    ("mailerlite", {"events": [mailerlite("subscriber.unsubscribed")]}, "unsubscribed"),
    (
        "mailerlite",
        {"type": "subscriber.unsubscribed", "subscriber": {"email": "ann@example.com"}},
        "unsubscribed",
    ),
    ("mailchimp", mailchimp("unsubscribe", action="unsub", reason="manual"), "unsubscribed"),
    ("mailchimp", mailchimp("unsubscribe", action="unsub", reason="abuse"), "complained"),
    ("mailchimp", mailchimp("cleaned", reason="hard"), "cleaned"),
    ("mailchimp", mailchimp("cleaned", reason="abuse"), "complained"),
    ("brevo", brevo("unsubscribe"), "unsubscribed"),
    ("brevo", brevo("hard_bounce", reason="no such user"), "bounced"),
    ("brevo", brevo("hardBounce"), "bounced"),
    ("brevo", brevo("invalid_email"), "bounced"),
    ("brevo", brevo("spam"), "complained"),
    ("brevo", [brevo("delivered"), brevo("unsubscribed")], "unsubscribed"),
]
NOTHING = [
    ("mailerlite", mailerlite("subscriber.created")),
    ("mailerlite", mailerlite("subscriber.automation_triggered")),
    ("mailerlite", {"event": "subscriber.unsubscribed"}),
    ("mailerlite", {"events": ["x", 5, None]}),
    ("mailerlite", []),
    ("mailchimp", mailchimp("subscribe")),
    ("mailchimp", mailchimp("upemail", old_email="ann@example.com", new_email="b@example.com")),
    ("mailchimp", mailchimp("unsubscribe", list_id="another list")),
    ("mailchimp", {"type": "unsubscribe", "data[list_id]": "aud1"}),
    ("brevo", brevo("soft_bounce")),
    ("brevo", brevo("list_addition")),
    ("brevo", brevo("unsubscribe", email="no address")),
    ("brevo", brevo("unsubscribe", email={"a": 1})),
    ("brevo", 7),
]


async def events(shop: Product) -> list[dict[str, Any]]:
    rows = await shop.pool.fetch("SELECT * FROM email_events ORDER BY occurred_at, event_type")
    return [dict(row) for row in rows]


@pytest.mark.parametrize(("provider", "event", "reason"), DEPARTURES)
async def test_departures_end_the_subscription_once(
    shop: Product, provider: str, event: Any, reason: str
) -> None:
    here = Newsletter(shop)
    await here.add("ann@example.com")
    await here.add("eve@example.com")
    for _ in range(2):
        assert (await tell(shop, provider, event)).status == 200
    assert await here.statuses() == {"ann@example.com": reason, "eve@example.com": "active"}
    assert await here.suppressions() == {"ann@example.com": (reason, provider)}
    kinds = [row["event_type"] for row in await events(shop) if row["event_type"] != "delivered"]
    assert kinds == ["bounced" if reason == "cleaned" else reason]


@pytest.mark.parametrize(("provider", "event", "reason"), DEPARTURES[:-1:3])
async def test_departures_of_who_was_synced_end_it_in_whichever_letters(
    shop: Product, provider: str, event: Any, reason: str
) -> None:
    here = Newsletter(shop)
    ann = await here.add("Ann@Example.com")
    await shop.pool.execute(
        "INSERT INTO lamplighter.newsletter_contacts"
        " (provider, email, remote_status, subscriber_id, changed_at, seen_at)"
        " VALUES ($1, 'ann@example.com', 'active', $3, $2, $2)",
        provider,
        NOW,
        ann,
    )
    await tell(shop, provider, event)
    assert await here.statuses() == {"Ann@Example.com": reason}
    assert [row["subscriber_id"] for row in await events(shop)] == [ann]


@pytest.mark.parametrize(("provider", "event"), NOTHING)
async def test_what_is_unknown_or_odd_is_answered_and_passed_over(
    shop: Product, provider: str, event: Any
) -> None:
    here = Newsletter(shop)
    await here.add("ann@example.com")
    assert (await tell(shop, provider, event)).status == 200
    assert await here.statuses() == {"ann@example.com": "active"}
    assert (await here.suppressions(), await events(shop)) == ({}, [])


async def test_opens_and_clicks_are_noted_once_each(shop: Product) -> None:
    ann = await Newsletter(shop).add("ann@example.com")
    link = {"link": "https://example.com/a"}
    told = [
        ("brevo", brevo("opened")),
        ("brevo", brevo("click", **link)),
        ("brevo", brevo("click", link="https://example.com/b")),
        (
            "mailerlite",
            {
                "events": [
                    {
                        "type": "campaign.click",
                        "timestamp": "2026-01-30T10:00:00Z",
                        "data": {"subscriber": {"email": "Ann@Example.com"}, **link},
                    },
                    {"event": "campaign.open", "subscriber": {"email": "ann@example.com"}},
                ]
            },
        ),
    ]
    for provider, event in [*told, *told]:
        await tell(shop, provider, event)
    found = await events(shop)
    assert sorted((row["provider"], row["event_type"], row["link_url"]) for row in found[:-1]) == [
        ("brevo", "clicked", "https://example.com/a"),
        ("brevo", "clicked", "https://example.com/b"),
        ("brevo", "opened", None),
        ("mailerlite", "clicked", "https://example.com/a"),
    ]
    assert found[-1]["occurred_at"] == NOW  # it does not say when
    assert found[0]["occurred_at"] == datetime(2026, 1, 30, 10, tzinfo=UTC)
    assert {row["subscriber_id"] for row in found if row["email"] == "ann@example.com"} == {ann}
    assert len({row["provider_event_id"] for row in found}) == 5


async def test_delivered_makes_nobody_active(shop: Product) -> None:
    here = Newsletter(shop)
    await here.add("ann@example.com", "unsubscribed")
    await tell(shop, "brevo", brevo("delivered"))
    assert await here.statuses() == {"ann@example.com": "unsubscribed"}
    assert [row["event_type"] for row in await events(shop)] == ["delivered"]


@pytest.mark.parametrize("email", ["ann@example.com", "Ann@Example.com"])
async def test_the_echo_of_our_own_departure_is_no_suppression(shop: Product, email: str) -> None:
    here = Newsletter(shop)
    ann = await here.add(email, "unsubscribed")
    await shop.pool.execute(
        "INSERT INTO lamplighter.newsletter_contacts"
        " (provider, email, remote_status, subscriber_id, changed_at, seen_at)"
        " VALUES ('mailerlite', 'ann@example.com', 'unsubscribed', $2, $1, $1)",
        NOW,
        ann,
    )
    await tell(shop, "mailerlite", mailerlite("subscriber.unsubscribed"))
    assert await here.suppressions() == {}
    await tell(shop, "mailerlite", mailerlite("subscriber.spam_reported"))
    assert await here.suppressions() == {"ann@example.com": ("complained", "mailerlite")}


@pytest.mark.parametrize(
    ("provider", "event"),
    [
        ("mailerlite", {"events": [mailerlite("subscriber.deleted")]}),
        ("mailchimp", mailchimp("unsubscribe", action="delete", reason="manual")),
        ("brevo", brevo("contact_deleted", email=["ann@example.com", "bob@example.com"])),
    ],
)
async def test_who_was_deleted_there_is_known_to_be_gone(
    shop: Product, provider: str, event: Any
) -> None:
    here = Newsletter(shop)
    await here.add("ann@example.com")
    await shop.pool.execute(
        "INSERT INTO lamplighter.newsletter_contacts"
        " (provider, email, remote_status, changed_at, seen_at)"
        " VALUES ($1, 'ann@example.com', 'active', $2, $2)",
        provider,
        NOW,
    )
    await tell(shop, provider, event)
    status = await shop.pool.fetchval("SELECT remote_status FROM lamplighter.newsletter_contacts")
    assert status == "deleted"
    assert await here.statuses() == {"ann@example.com": "active"}
    assert await here.suppressions() == {}


BODY = json.dumps(mailerlite("subscriber.unsubscribed")).encode()
FORM = urlencode(mailchimp("cleaned", reason="hard")).encode()
BREVO_BODY = json.dumps(brevo("unsubscribe")).encode()
FORGED: list[tuple[str, bytes, dict[str, Any]]] = [
    ("mailerlite", BODY, {}),
    ("mailerlite", BODY, {"headers": {"signature": ""}}),
    ("mailerlite", BODY, {"headers": {"signature": "é" * 64}}),
    ("mailerlite", BODY, {"headers": signature(BODY, SecretStr("another"))}),
    ("mailerlite", BODY + b" ", {"headers": signature(BODY)}),
    ("mailchimp", FORM, {}),
    ("mailchimp", FORM, {"query": {"secret": "hook-secre"}}),
    ("mailchimp", FORM, {"headers": {"authorization": "Bearer hook-secret"}}),
    ("mailchimp", b"", {"method": "GET"}),
    ("brevo", BREVO_BODY, {}),
    ("brevo", BREVO_BODY, {"headers": {"authorization": "Bearer wrong"}}),
    ("brevo", BREVO_BODY, {"headers": {"authorization": "Basic hook-secret"}}),
    ("brevo", BREVO_BODY, {"headers": {"authorization": "hook-secret"}}),
    ("brevo", BREVO_BODY, {"query": {"secret": "hook-secret"}}),
]


@pytest.mark.parametrize(("provider", "body", "how"), FORGED)
async def test_who_cannot_prove_it_is_turned_away(
    shop: Product, provider: str, body: bytes, how: dict[str, Any]
) -> None:
    here = Newsletter(shop)
    await here.add("ann@example.com")
    assert (await call(shop, provider, body, **how)).status == 401
    assert await here.statuses() == {"ann@example.com": "active"}
    assert await here.suppressions() == {}


@pytest.mark.parametrize("provider", ["mailerlite", "mailchimp", "brevo"])
@pytest.mark.parametrize("services", [Services(), NO_SECRET], ids=["off", "no secret"])
async def test_without_a_secret_there_is_no_webhook(
    shop: Product, provider: str, services: Services
) -> None:
    body = b"{}"
    how: dict[str, Any] = {
        "headers": {"authorization": "Bearer ", **signature(body, SecretStr(""))},
        "query": {"secret": ""},
        "services": services,
    }
    assert (await call(shop, provider, body, **how)).status == 404


async def test_mailchimp_looks_whether_the_address_answers(shop: Product) -> None:
    reply = await call(shop, "mailchimp", method="GET", query={"secret": "hook-secret"})
    assert reply.status == 200


@pytest.mark.parametrize("body", [b"", b"not json", b"[" * 60_000, b"\xff\xfe", b'"text"', b"null"])
async def test_a_signed_delivery_that_cannot_be_read_is_not_sent_again(
    shop: Product, body: bytes
) -> None:
    """Providers repeat whatever is not answered with 2xx."""
    headers = {**signature(body), "authorization": "Bearer hook-secret"}
    assert (await call(shop, "mailerlite", body, headers=headers)).status == 200
    assert (await call(shop, "brevo", body, headers=headers)).status == 200
    query = {"secret": "hook-secret"}
    assert (await call(shop, "mailchimp", body, query=query)).status == 200


ODD = ["\\ud800", "\\udc00\\ud83d", "\\u0000", "\\\\\\ud800", "\xed\xa0\x80", "\xff"]


@pytest.mark.parametrize("odd", ODD)
@pytest.mark.parametrize("where", ["email", "link", "reason", "date", "message-id", "event"])
@pytest.mark.parametrize("provider", ["mailerlite", "brevo"])
async def test_text_that_cannot_be_kept_stops_no_delivery(
    shop: Product, provider: str, where: str, odd: str
) -> None:
    """Half a pair of surrogates, NUL, bytes that are no UTF-8: a signed body may hold them."""
    here = Newsletter(shop)
    await here.add("ann@example.com")
    good = {"mailerlite": mailerlite("subscriber.bounced"), "brevo": brevo("hard_bounce")}[provider]
    bad = {**good, "email": "eve@example.com", where: "eve@HERE.example.com"}
    body = json.dumps([bad, good] if provider == "brevo" else {"events": [bad, good]}).encode()
    body = body.replace(b"HERE", odd.encode("latin-1"))
    headers = {**signature(body), "authorization": "Bearer hook-secret"}
    assert (await call(shop, provider, body, headers=headers)).status == 200
    assert (await here.suppressions())["ann@example.com"] == ("bounced", provider)
    assert await here.statuses() == {"ann@example.com": "bounced"}


def test_texts_are_read_as_they_are_but_for_what_no_text_can_be() -> None:
    whole = r'{"a": "\ud83d\ude00 \\ud800 \\\\u0000 \n \u00e9"}'
    assert read_json(whole.encode()) == json.loads(whole)
    assert read_json(b'\xef\xbb\xbf["\\ud83d", "\\\\\\u0000"]') == ["\ufffd", "\\\ufffd"]


async def test_a_product_without_newsletters_has_the_list(shop_b: Product) -> None:
    assert (await tell(shop_b, "brevo", brevo("spam"))).status == 200
    assert await Newsletter(shop_b).suppressions() == {"ann@example.com": ("complained", "brevo")}
