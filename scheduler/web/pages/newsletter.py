"""Is the newsletter in order: the sync with each provider, and what waits to be sent?"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from aiohttp import web

from scheduler.condition import sql as conditions
from scheduler.db.product_pages import queue, suppressions, sync
from scheduler.db.product_pages.queue import Backlog
from scheduler.job import Connection
from scheduler.services import Services
from scheduler.web.charts import strip
from scheduler.web.keys import DAEMON
from scheduler.web.pages.page import page
from scheduler.web.pages.parts import Reader, Work, work_of
from scheduler.web.pages.rendering import render

PROVIDERS = {"mailerlite": "MailerLite", "mailchimp": "Mailchimp", "brevo": "Brevo"}
OF_MAIL = frozenset({"outbox", "sequence-messages"})
"""The conditions that keep messages from being sent."""
STRIP = 30
MOST_PROVIDERS = 10


@dataclass(frozen=True, slots=True)
class Provider:
    """One provider, as the page shows it."""

    label: str
    is_on: bool
    hooks: bool
    """Whether its webhooks are taken."""
    last: sync.Synced | None
    strip: str
    known: sync.Known | None
    hooked_at: datetime | None


@dataclass(frozen=True, slots=True)
class Waits:
    """Some of what is in the queue."""

    name: str
    messages: int
    oldest: datetime | None
    why: str


async def newsletter(request: web.Request) -> web.StreamResponse:
    daemon = request.app[DAEMON]
    reader = await Reader.of(request)
    desk = reader.desk
    log = await reader.part(sync.NEEDS, sync.log)
    known = await reader.part({}, sync.known)
    hooked = await reader.part({}, sync.deliveries)
    held = await reader.part({}, _conditions)
    backlog = await reader.part(queue.NEEDS, lambda c: queue.backlog(c, desk.tables, desk.now()))
    suppressed = await reader.part({}, suppressions.in_force)
    latest = await reader.part({}, lambda c: suppressions.latest(c, None, 5))
    mail_work = work_of(daemon, "process-email-queue")
    return await render(
        request,
        "newsletter/page.html",
        part="newsletter/live.html",
        log=log,
        known=known,
        providers=_providers(desk.services, log.value or [], known.value or {}, hooked.value or {}),
        held=held,
        backlog=backlog,
        waits=_waits(backlog.value) if backlog.value else [],
        hints=_hints(desk.services, mail_work, backlog.value),
        counted=queue.COUNTED,
        contacts_counted=sync.CONTACTS_COUNTED,
        suppressed=suppressed,
        suppressed_counted=suppressions.COUNTED,
        latest=latest,
        sync_work=work_of(daemon, "sync-newsletter"),
        mail_work=mail_work,
        logs_work=work_of(daemon, "cleanup-email-logs"),
    )


async def _conditions(connection: Connection) -> Sequence[Mapping[str, object]]:
    found = [row async for row in conditions.conditions(connection)]
    return [dict(row) for row in found if row["name"] in OF_MAIL]


def _providers(
    services: Services,
    log: Sequence[sync.Synced],
    known: Mapping[str, sync.Known],
    hooked: Mapping[str, datetime],
) -> list[Provider]:
    """Ours, and whoever else is in the log; those that are on come first."""
    names = [
        *PROVIDERS,
        *dict.fromkeys(one.provider for one in log if one.provider not in PROVIDERS),
    ]
    found = []
    for name in names[:MOST_PROVIDERS]:
        settings = getattr(services, name) if name in PROVIDERS else None
        syncs = [one for one in log if one.provider == name]
        if name in PROVIDERS and settings is None and not syncs and name not in known:
            continue
        statuses = [STATUSES.get(one.status, "skipped") for one in reversed(syncs[:STRIP])]
        found.append(
            Provider(
                label=PROVIDERS.get(name, name),
                is_on=settings is not None,
                hooks=settings is not None and settings.webhook_secret is not None,
                last=syncs[0] if syncs else None,
                strip=strip("Last syncs", statuses, places=STRIP),
                known=known.get(name),
                hooked_at=hooked.get(name),
            )
        )
    return sorted(found, key=lambda one: not one.is_on)


STATUSES = {
    "completed": "succeeded",
    "partial": "retrying",
    "failed": "failed",
    "started": "running",
}
"""As runs have them, for the colours."""


def _waits(backlog: Backlog) -> list[Waits]:
    why = {
        "due": ("Due", "go with the next run"),
        "again": ("To be tried again", "were deferred, and have a time to go"),
        "later": ("Later", "have a time to go that is still to come"),
        "held": ("Held", "their sequence is paused or a draft"),
        "left": ("Left alone", "the product's own, from before lamplighter or without a time"),
    }
    found = [
        Waits(name, one.messages, one.oldest, reason)
        for waits, (name, reason) in why.items()
        if (one := backlog.waiting.get(waits)) is not None
    ]
    if backlog.sending.messages:
        now = backlog.sending
        found.append(Waits("Being sent", now.messages, now.oldest, "are on their way"))
    return found


def _hints(services: Services, work: Work, backlog: Backlog | None) -> list[str]:
    """What somebody should know who wonders why nothing is sent."""
    hints = []
    if work.is_off:
        said = f"{work.name} is {work.why_off}: nothing in the queue is sent by lamplighter."
        hints.append(said)
    if services.mail.smtp_url is None:
        hints.append("SMTP_URL is not set: messages become files in the data directory.")
    elif services.mail.public_url is None or services.mail.sender is None:
        hints.append("Messages of sequences wait until PUBLIC_URL and MAIL_FROM are set.")
    if backlog is not None and backlog.count("held"):
        hints.append("What paused and draft sequences have queued goes when they are active again.")
    return hints


ROUTES = page("/newsletter", newsletter, menu="Newsletter")
