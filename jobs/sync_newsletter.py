"""Keeps the newsletter providers in step with the subscribers here, in both directions.

Only what changed since the last sync is sent: who is new, who changed, who left. Whoever left,
bounced or complained, here or there, is never subscribed again: not by us. What changed at the
provider is read first, page by page, and ends subscriptions here.

The first contact with a live product writes to nobody: nothing that is called makes a provider send
a confirmation. Automations that a provider starts by itself when somebody joins a list or group
cannot be held back by its API: pause those until the first sync is through.

Somebody who was deleted at the provider is not made again: whoever deleted them there meant it.
They go back when they sign up here again.
"""

from __future__ import annotations

from datetime import timedelta

from pydantic import JsonValue

from jobs.newsletter.contacts import Contacts
from jobs.newsletter.http import new_session
from jobs.newsletter.journal import Journal
from jobs.newsletter.provider import Provider
from jobs.newsletter.providers import HOW_TO_TURN_ONE_ON, providers_on
from jobs.newsletter.sync import Sync
from jobs.newsletter.tally import Tally
from scheduler.errors import JobError
from scheduler.job import Done, Job, JobContext, Outcome, Params, Skipped
from scheduler.sql import load_sql

sql = load_sql(__file__)

DELIVERIES_KEPT = timedelta(days=90)
"""How long a webhook that comes again is known; providers give up after days."""


class SyncNewsletter(Params):
    full: bool = False
    """Read everything that the providers have, and try again what they refused; each week it
    happens by itself."""
    dry_run: bool = False
    """Only say what would be sent, by what is known from the last sync; calls nobody and writes
    nothing."""


async def run(ctx: JobContext, params: SyncNewsletter) -> Outcome:
    """Sync each provider that is on. One that is down does not stop the others.

    Raises `JobError` where none of them could be worked with.
    """
    async with new_session() as session:
        on = providers_on(ctx.services, session)
        if not on:
            return Skipped(HOW_TO_TURN_ONE_ON)
        if params.dry_run:
            results = {one.name: await what_would_be_sent(ctx, one, params) for one in on}
            return Done({"dryRun": True, "results": results})
        tallies: dict[str, Tally] = {}
        for provider in await quick_ones_first(ctx, on):
            journal = Journal(ctx, provider.name)
            tally = await Sync(ctx, provider, journal).go(full=params.full)
            await journal.close(tally)
            tallies[provider.name] = tally
            ctx.log.info(
                "provider_synced",
                provider=provider.name,
                status=tally.status,
                created=tally.created,
                updated=tally.updated,
                unsubscribed=tally.left,
                failed=tally.failed,
                pulled=tally.pulled,
                suppressed=tally.suppressed,
            )
    async with ctx.db.transaction() as connection:
        await sql.forget_deliveries(connection, before=ctx.now() - DELIVERIES_KEPT)
    if all(tally.status == "failed" for tally in tallies.values()):
        raise JobError("; ".join(tally.down or "" for tally in tallies.values()))
    return Done({"results": {name: tally.result() for name, tally in tallies.items()}})


async def what_would_be_sent(
    ctx: JobContext, provider: Provider, params: SyncNewsletter
) -> JsonValue:
    created, updated, leaving = await Contacts(ctx, provider.name).counts(full=params.full)
    return {
        "success": True,
        "processed": created + updated + leaving,
        "created": created,
        "updated": updated,
        "unsubscribed": leaving,
        "failed": 0,
        "errors": [],
    }


async def quick_ones_first(ctx: JobContext, on: list[Provider]) -> list[Provider]:
    """A first sync may outlast the run's time day by day; the others shall have theirs."""
    async with ctx.db.transaction() as connection:
        known = {row["provider"] async for row in sql.known_providers(connection)}
    return sorted(on, key=lambda provider: provider.name not in known)


job = Job(
    run=run,
    params=SyncNewsletter,
    needs={
        "newsletter_subscribers": (
            "id",
            "status",
            "email",
            "first_name",
            "last_name",
            "subscription_tier",
            "mailerlite_id",
            "mailchimp_id",
            "brevo_id",
            "provider_synced_at",
            "sync_status",
            "sync_error",
            "subscribed_at",
            "unsubscribed_at",
            "created_at",
        ),
        "newsletter_segments": (
            "id",
            "status",
            "mailerlite_group_id",
            "mailchimp_segment_id",
            "brevo_list_id",
        ),
        "newsletter_segment_members": ("segment_id", "subscriber_id"),
        "newsletter_sync_log": (
            "id",
            "provider",
            "direction",
            "sync_type",
            "status",
            "records_processed",
            "records_created",
            "records_updated",
            "records_failed",
            "errors",
            "started_at",
            "completed_at",
        ),
    },
)
