"""Sends what waits in the e-mail queue, each message once.

By SMTP where SMTP_URL is set, else into files. Between the server's "250" and the commit that
follows at once lies the only moment in which a crash makes a second message; it carries the same
Message-ID, so that most readers see one.
"""

from __future__ import annotations

from datetime import timedelta

from pydantic import Field, JsonValue

from jobs.email.delivery import Trouble
from jobs.email.message import what_is_lacking
from jobs.email.outbox import Outbox, Scope
from jobs.email.round import MakeChannels, Rules, channels_of, send_round
from jobs.email.settlement import Settlement
from scheduler.condition import clear_condition, set_condition
from scheduler.errors import LeaseLostError
from scheduler.job import Done, Job, JobContext, Outcome, Params

WAITING = "sequence-messages"
"""The condition that says which settings the messages of sequences wait for."""


class ProcessEmailQueue(Params):
    limit: int = Field(100, ge=1, le=1000)
    """Messages that one run takes at most."""
    max_age_hours: int = Field(24, ge=1, le=720)
    """What was due longer ago is not sent any more: a welcome after days of downtime is none.
    Messages of sequences are cancelled; the product's own are left as they are."""
    connections: int = Field(4, ge=1, le=20)
    """Connections to the mail server at a time."""
    per_second: float = Field(20, ge=0.01, le=10_000)
    """Messages a second."""
    per_domain: float = Field(10, ge=0.01, le=10_000)
    """Messages a second to the addresses of one domain."""
    retry_minutes: int = Field(5, ge=1, le=1440)
    """Until a message that was deferred is tried again; six times as long after each further time,
    up to six hours, until the message's `max_attempts`."""
    max_seconds: int = Field(240, ge=1, le=3600)
    """After this time a run begins no message: well below the entry's timeout."""
    send_backlog: bool = False
    """Whether to send what the product had queued to be sent before lamplighter came."""


async def run(ctx: JobContext, params: ProcessEmailQueue) -> Outcome:
    """Send what is due, by priority and time.

    Trouble of ours (no connection, a wrong password, a refused sender) uses up no attempt of any
    message: the outbox is paused, health says why, and the next run tries one connection first.
    """
    return await process(ctx, params, channels_of)


async def process(
    ctx: JobContext, params: ProcessEmailQueue, make_channels: MakeChannels
) -> Outcome:
    """`run`, over the channels that `make_channels` makes."""
    mail = ctx.services.mail
    by_smtp = mail.smtp_url is not None
    lacking = what_is_lacking(mail.public_url, mail.sender) if by_smtp else []
    scope = Scope(
        oldest=ctx.now() - timedelta(hours=params.max_age_hours),
        ours=not lacking,
        theirs=by_smtp or mail.own_database,
        backlog=params.send_backlog,
    )
    outbox = Outbox(ctx, scope)
    settlement = Settlement(ctx)
    paused = await outbox.open()
    expired = await outbox.expire(f"was due more than {params.max_age_hours} h ago")
    if expired:
        ctx.log.warning("messages_expired", messages=expired, hours=params.max_age_hours)
    await _say_what_is_lacking(ctx, outbox, lacking)
    if not by_smtp:
        ctx.log.info("messages_go_to_files", folder=str(mail.folder), note="SMTP_URL is not set")

    rules = Rules(
        limit=params.limit,
        connections=params.connections if by_smtp else 1,
        per_second=params.per_second if by_smtp else 10_000,
        per_domain=params.per_domain if by_smtp else 10_000,
        retry=timedelta(minutes=params.retry_minutes),
        seconds=params.max_seconds,
    )
    counts: dict[str, int] = {}
    details: list[JsonValue] = []
    still_paused = False
    try:
        await send_round(
            ctx,
            outbox,
            settlement,
            rules,
            counts,
            details,
            paused=paused,
            make_channels=make_channels,
        )
    except Trouble as trouble:
        ctx.log.error("outbox_paused", reason=str(trouble), said=trouble.said)
        await settlement.release()
        await outbox.pause(f"paused: {trouble}")
        still_paused = True
    except LeaseLostError:
        raise  # whoever has the run now takes them back
    except Exception:
        # Whatever it was, the others need not wait until the next run finds them.
        await settlement.release()
        raise
    left = await outbox.left_alone()
    if left:
        ctx.log.info("messages_left_alone", messages=left)
    return Done(
        {
            "processed": sum(counts.values()),
            **{name: counts.get(name, 0) for name in ("sent", "failed", "suppressed", "deferred")},
            "expired": expired,
            "left": left,
            "paused": still_paused,
            "errorDetails": details,
        }
    )


async def _say_what_is_lacking(ctx: JobContext, outbox: Outbox, lacking: list[str]) -> None:
    """Nobody gets a message of a sequence without a link to unsubscribe, or from nobody."""
    waiting = bool(lacking) and await outbox.any_due(ours=True)
    async with ctx.db.transaction() as connection:
        if waiting:
            reason = f"wait to be sent until {' and '.join(lacking)}"
            await set_condition(connection, WAITING, reason, ctx.now())
        else:
            await clear_condition(connection, WAITING)


job = Job(
    run=run,
    params=ProcessEmailQueue,
    needs={
        "email_queue": (
            *("id", "status", "priority", "to_email", "to_name", "cc_emails", "bcc_emails"),
            *("from_email", "from_name", "reply_to", "subject", "html_body", "text_body"),
            *("template_id", "template_data", "attachments", "message_id", "tracking_data"),
            *("user_id", "scheduled_at", "attempts", "max_attempts", "last_attempt_at"),
            *("next_retry_at", "error", "error_code", "sent_at", "bounced_at", "created_at"),
            "updated_at",
        ),
        "email_logs": (
            *("id", "queue_id", "message_id", "to_email", "user_id", "subject", "status"),
            *("smtp_response", "smtp_code", "error", "bounce_type", "bounce_reason"),
            *("created_at", "sent_at", "bounced_at"),
        ),
    },
    counts=("sent", "failed", "suppressed", "deferred", "expired"),
)
