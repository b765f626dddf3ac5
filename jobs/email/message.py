"""What leaves for a row of the queue: one message with safe headers, rendered if it is ours.

A row of a sequence holds templates and variables, and gets a link to unsubscribe. A row of the
product's own is rendered already and goes as it is. Nothing that anybody wrote can make a header.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from email.headerregistry import Address
from email.message import EmailMessage
from email.policy import SMTP, SMTPUTF8
from html import escape
from uuid import UUID

from jobs.email.attachments import attach
from jobs.email.lines import MOST_NAME, MessageError, one_line
from jobs.email.plain_text import plain_text
from jobs.email.rendering import Renderer, TemplateError

NOBODY = "newsletter@localhost"
"""The sender of rows that were queued without MAIL_FROM."""
MOST_SUBJECT = 500
MOST_RECIPIENTS = 100

PLAIN = SMTP.clone(cte_type="7bit")
"""Every server takes it, also one that does not say what else it takes."""
ADDRESS = re.compile(r"[^\s@<>()\[\]\\,;:\"\x00-\x20\x7f-\x9f]+@[^\s@<>()\[\]\\,;:\"]+\.?")
NEEDED = {b"from", b"to", b"subject", b"date", b"message-id", b"mime-version", b"content-type"}
ALLOWED = {
    *(b"cc", b"reply-to", b"content-transfer-encoding"),
    *(b"list-unsubscribe", b"list-unsubscribe-post"),
}
LINK = re.compile(r"https?://[!-;=?-~]+", re.ASCII)


@dataclass(frozen=True, slots=True)
class Queued:
    """A row of `email_queue`."""

    id: UUID
    ours: bool
    """Queued by a sequence."""
    to_email: str
    to_name: str | None
    cc: Sequence[str]
    bcc: Sequence[str]
    from_email: str
    from_name: str | None
    reply_to: str | None
    subject: str
    html: str
    text: str | None
    template_id: UUID | None
    variables: Mapping[str, object]
    attachments: object
    attempts: int
    most_attempts: int
    subscriber_id: UUID | None = None
    sequence_id: UUID | None = None
    step_id: UUID | None = None

    @property
    def domain(self) -> str:
        return self.to_email.rpartition("@")[2].lower()


@dataclass(frozen=True, slots=True)
class Ready:
    """What goes to the server: the envelope, and the message's bytes."""

    id: UUID
    message_id: str
    sender: str
    to: str
    others: Sequence[str]
    """cc and bcc."""
    subject: str
    data: bytes = field(repr=False)
    international: bool
    """Whether an address in it needs SMTPUTF8."""


def message_id(queued: Queued) -> str:
    """The same for a row whenever it is sent: who gets it twice sees it once."""
    domain = queued.from_email.rpartition("@")[2].strip(" >").lower()
    plain = re.fullmatch(r"[a-z0-9](?:[a-z0-9.-]{0,200}[a-z0-9])?", domain, re.ASCII)
    return f"<{queued.id}@{domain if plain else 'localhost'}>"


def compose(
    queued: Queued,
    renderer: Renderer,
    *,
    default_sender: str | None,
    link: str | None,
    suppressed: frozenset[str],
    now: datetime,
) -> Ready:
    """The message of a row. `link` is where its reader unsubscribes, for rows of sequences.

    Raises `MessageError`.
    """
    subject, html, text = queued.subject, queued.html, queued.text
    if link is not None and not LINK.fullmatch(link):
        raise MessageError("PUBLIC_URL holds what may not stand in a link")
    if queued.ours:
        variables = {**queued.variables, "unsubscribe_url": link}
        subject = _render(renderer, "subject", subject, variables)
        html = _render(renderer, "html_body", html, variables, html=True)
        text = _render(renderer, "text_body", text, variables) if text else None
    text = text or (plain_text(html) if html else "")
    if link is not None:
        html, text = _with_link(html, text, link)
    # Half a surrogate pair is no text that could be sent.
    html, text = (part.encode("utf-8", "replace").decode() for part in (html, text))

    sender = _sender(queued, default_sender)
    to = _address(queued.to_email, queued.to_name, "to_email")
    cc = [_address(email, None, "cc_emails") for email in queued.cc if _wanted(email, suppressed)]
    bcc = [
        _address(email, None, "bcc_emails") for email in queued.bcc if _wanted(email, suppressed)
    ]
    if len(cc) + len(bcc) >= MOST_RECIPIENTS:
        raise MessageError(f"it has more than {MOST_RECIPIENTS} recipients")
    everybody = [address.addr_spec for address in (sender, to, *cc, *bcc)]
    international = not all(email.isascii() for email in everybody)

    message = EmailMessage(policy=SMTPUTF8 if international else PLAIN)
    message["From"] = sender
    message["To"] = to
    if cc:
        message["Cc"] = cc
    if queued.reply_to:
        message["Reply-To"] = _with_name(queued.reply_to, None, "reply_to")
    shown = one_line(subject, MOST_SUBJECT)
    message["Subject"] = shown
    message["Date"] = now
    identity = message_id(queued)
    message["Message-ID"] = identity
    message.set_content(text)
    if html:
        message.add_alternative(html, subtype="html")
    attach(message, queued.attachments)

    # Not through EmailMessage, which folds a long link into something that is none.
    first = b""
    if link is not None:
        first = (
            f"List-Unsubscribe: <{link}>\r\nList-Unsubscribe-Post: List-Unsubscribe=One-Click\r\n"
        ).encode("ascii")
    data = first + message.as_bytes()
    _hold_headers(data)
    return Ready(
        id=queued.id,
        message_id=identity,
        sender=sender.addr_spec,
        to=to.addr_spec,
        others=[address.addr_spec for address in (*cc, *bcc)],
        subject=shown,
        data=data,
        international=international,
    )


def _hold_headers(data: bytes) -> None:
    """The last look: exactly the headers that a message has, each once. Raises `MessageError`."""
    lines = data.partition(b"\r\n\r\n")[0].split(b"\n")
    names = [line.partition(b":")[0].lower() for line in lines if line[:1] not in {b" ", b"\t"}]
    if len(set(names)) != len(names) or not NEEDED <= set(names) <= NEEDED | ALLOWED:
        raise MessageError("what stands in it would make headers of its own")


def _render(
    renderer: Renderer,
    name: str,
    source: str,
    variables: Mapping[str, object],
    *,
    html: bool = False,
) -> str:
    try:
        return renderer.render(source, variables, html=html)
    except TemplateError as error:
        raise MessageError(f"{name}: {error}") from error


def _with_link(html: str, text: str, link: str) -> tuple[str, str]:
    """Both parts with the link where the template shows none."""
    shown = escape(link)
    if html and shown not in html and link not in html:
        line = f'<p style="font-size:12px;color:#666"><a href="{shown}">Unsubscribe</a></p>\n'
        end = html.lower().rfind("</body")
        # Lower case may be longer than what it was made of; then the end is the end.
        end = end if end >= 0 and html[end : end + 6].lower() == "</body" else len(html)
        html = html[:end] + line + html[end:]
    if link not in text:
        text = f"{text.rstrip()}\n\n--\nUnsubscribe: {link}\n"
    return html, text


def _sender(queued: Queued, default: str | None) -> Address:
    if queued.from_email == NOBODY and default is not None:
        return _with_name(default, queued.from_name, "MAIL_FROM")
    return _with_name(queued.from_email, queued.from_name, "from_email")


def _with_name(text: str, name: str | None, field_name: str) -> Address:
    """`news@example.com`, or `News <news@example.com>`."""
    before, bracket, email = text.strip().rpartition("<")
    if not bracket or not email.endswith(">"):
        return _address(text, name, field_name)
    return _address(email[:-1], name or before.strip().strip('"'), field_name)


def what_is_lacking(public_url: str | None, sender: str | None) -> list[str]:
    """What the settings do not give that every message of a sequence has to have, in words."""
    lacking = []
    if not public_url:
        lacking.append("PUBLIC_URL is set")
    elif not LINK.fullmatch(public_url):
        lacking.append("PUBLIC_URL is one of plain ASCII letters")
    try:
        if not sender:
            lacking.append("MAIL_FROM is set")
        else:
            _with_name(sender, None, "MAIL_FROM")
    except MessageError:
        lacking.append("MAIL_FROM is an address")
    return lacking


def _wanted(email: str, suppressed: frozenset[str]) -> bool:
    return email.strip().lower() not in suppressed


def _address(email: str, name: str | None, field_name: str) -> Address:
    """Raises `MessageError` for what is not one plain address."""
    text = email.strip()
    if not ADDRESS.fullmatch(text) or len(text) > 254 or "=?" in text:
        raise MessageError(f"{field_name} is not an address: {one_line(email, 60)!r}")
    user, _, domain = text.rpartition("@")
    try:
        if not domain.isascii():
            domain = domain.encode("idna").decode("ascii")
        return Address(one_line(name or "", MOST_NAME), user, domain)
    except (UnicodeError, ValueError, IndexError) as error:
        # The last is what the standard library raises for some that it cannot read.
        raise MessageError(f"{field_name} is not an address: {one_line(email, 60)!r}") from error
