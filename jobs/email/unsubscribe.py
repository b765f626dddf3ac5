"""The page behind a message's link to unsubscribe.

GET only asks, since programs that look at links in messages unsubscribe nobody; POST acts at once,
be it from the page's own button or from a mail program's (RFC 8058).
"""

from __future__ import annotations

from base64 import b64encode
from hashlib import sha256
from html import escape

from jobs.email.links import Reader, open_links
from jobs.email.suppression import suppress, suppressed
from scheduler.endpoint import Call, Desk, Endpoint, Reply
from scheduler.job import Connection
from scheduler.sql import load_sql

sql = load_sql(__file__)

NEEDED = ("newsletter_subscribers", "newsletter_sequence_enrollments", "email_queue")

STYLE = (
    "body{font:1.1rem/1.6 system-ui,sans-serif;color:#222;background:#f6f6f4;margin:0}"
    "main{max-width:30rem;margin:12vh auto;padding:2rem;background:#fff;border-radius:.6rem;"
    "box-shadow:0 1px 4px #0002}h1{font-size:1.4rem;margin:0 0 .6rem}"
    "b{overflow-wrap:anywhere}"
    "button{font:inherit;color:#fff;background:#1d4ed8;border:0;border-radius:.4rem;"
    "padding:.6rem 1.4rem;margin-top:.6rem;cursor:pointer}"
)
POLICY = (
    f"default-src 'none'; style-src 'sha256-{b64encode(sha256(STYLE.encode()).digest()).decode()}';"
    " form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)


async def unsubscribe(desk: Desk, call: Call) -> Reply:
    async with desk.db.transaction() as connection:
        links = await open_links(connection, desk.services.mail, desk.now())
        reader = links.read(call.values["token"])
        if reader is None or not all(table in desk.tables for table in NEEDED):
            return _page(
                "This link does not work",
                "<p>Perhaps it was cut off when it was copied. Please open it from the message"
                " again, or answer the message to reach us.</p>",
                status=404,
            )
        row = await sql.subscriber(connection, id=reader.subscriber)
        if row is None:
            return _done("Your address is on none of our lists.")
        email: str = row["email"]
        left = email.lower() in await suppressed(connection, [email]) or row["status"] != "active"
        if call.method == "POST":
            await _leave(desk, connection, reader, email)
            desk.log.info("unsubscribed_by_link", subscriber=str(reader.subscriber))
            return _done(f"<b>{escape(email)}</b> gets no more newsletters from us.")
        if left:
            return _done(f"<b>{escape(email)}</b> gets no newsletters from us any more.")
        return _page(
            "Unsubscribe?",
            f"<p><b>{escape(email)}</b> will get no more newsletters from us.</p>"
            '<form method="post"><input type="hidden" name="List-Unsubscribe" value="One-Click">'
            '<button type="submit">Unsubscribe</button></form>',
        )


async def _leave(desk: Desk, connection: Connection, reader: Reader, email: str) -> None:
    added = await suppress(
        connection,
        [email],
        reason="unsubscribed",
        source="link",
        now=desk.now(),
        tables=desk.tables,
    )
    await sql.cancel_enrollments(connection, id=reader.subscriber)
    await sql.cancel_messages(connection, id=reader.subscriber, now=desk.now())
    if added and "email_events" in desk.tables:
        await sql.add_event(
            connection,
            id=reader.subscriber,
            sequence_id=reader.sequence,
            email=email,
            now=desk.now(),
        )


def _done(sentence: str) -> Reply:
    return _page("You are unsubscribed", f"<p>{sentence}</p>")


def _page(title: str, inside: str, status: int = 200) -> Reply:
    """`title` and `inside` are HTML."""
    return Reply(
        status,
        "<!doctype html>\n"
        '<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        '<meta name="robots" content="noindex">'
        f"<title>{title}</title><style>{STYLE}</style></head>"
        f"<body><main><h1>{title}</h1>{inside}</main></body></html>\n",
        headers={"Content-Security-Policy": POLICY},
    )


endpoints = (Endpoint("/unsubscribe/{token}", ("GET", "POST"), unsubscribe),)
