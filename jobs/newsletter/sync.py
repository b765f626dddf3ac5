"""How is one provider kept in step? Pull what changed there, then send who left or changed here.

The order is what keeps people from being subscribed again: statuses come first, from the very
first sync on, and whoever has left there is left here before anything is sent. Every step is
committed once it is done, and can be done again.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from uuid import UUID

from jobs.newsletter.contacts import FIRST, Contacts, Due, Note, Position
from jobs.newsletter.journal import Journal
from jobs.newsletter.lots import in_lots
from jobs.newsletter.provider import (
    Contact,
    Cursor,
    Outcome,
    Provider,
    ProviderError,
    RefusedError,
    is_address,
)
from jobs.newsletter.tally import Tally
from scheduler.job import JobContext

FULL_EVERY = timedelta(days=7) - timedelta(hours=1)
"""A daily job that is a little early today still reconciles on its day of the week."""


class Sync:
    """One sync of one provider."""

    def __init__(self, ctx: JobContext, provider: Provider, journal: Journal) -> None:
        self._ctx = ctx
        self._provider = provider
        self._journal = journal
        self._contacts = Contacts(ctx, provider.name)
        self._full = False

    async def go(self, *, full: bool) -> Tally:
        """What it has done, with what earlier attempts of the run have done."""
        self.tally = await self._journal.earlier()
        self._settled = self.tally.copy()
        try:
            position = await self._contacts.position(self._provider.audience)
            self._full = full or self._is_time(position)
            self.tally.full = self._settled.full = self._full or self.tally.full
            await self._journal.begin(self._settled)
            cursor = await self._pull_first(position)
            await self._send_departures()
            await self._name_odd_groups()
            await self._send_due()
            if self._provider.echoes and self.tally.processed > self.tally.failed:
                await self._pull(cursor, full=False)
        except ProviderError as error:
            self.tally.stop(error)
            self._ctx.log.warning("provider_down", provider=self._provider.name, error=str(error))
        return self.tally

    def _is_time(self, position: Position) -> bool:
        if position.full_begun_at is not None or position.full_at is None:
            return True
        return self._ctx.now() - position.full_at >= FULL_EVERY

    async def _pull_first(self, position: Position) -> Cursor | None:
        """Read what changed, or everything; a reconcile that was cut off goes on where it was."""
        cursor, begun = position.cursor, position.full_begun_at
        if self._full and begun is None:
            await self._contacts.begin_full()
            cursor, begun = None, self._ctx.now()
        cursor = await self._pull(cursor, full=self._full)
        if begun is not None:
            self.tally.deleted += await self._contacts.end_full(begun)
        return cursor

    async def _pull(self, cursor: Cursor | None, *, full: bool) -> Cursor | None:
        more, kept = True, cursor is not None
        while more:
            try:
                page = await self._provider.changes(cursor, full=full)
            except RefusedError as error:
                if not kept:
                    raise
                # The place where an earlier sync ended means nothing there any more.
                self._ctx.log.warning("place_lost", provider=self._provider.name, error=str(error))
                cursor, kept = None, False
                continue
            kept = False
            self.tally.suppressed += await self._contacts.keep_page(page, full=full)
            self.tally.pulled += len(page.contacts)
            cursor, more = page.cursor, page.more
            self._progress()
        return cursor

    async def _name_odd_groups(self) -> None:
        for slug in await self._contacts.odd_groups():
            message = (
                f"the segment's id at {self._provider.label} is none: letters, digits, - and _"
            )
            self._ctx.log.warning("odd_group", provider=self._provider.name, segment=slug)
            self.tally.fail({"segment": slug, "message": message})

    async def _send_departures(self) -> None:
        after = ""
        while leaving := await self._contacts.leaving(after, self._provider.lot):
            after = leaving[-1].email
            outcomes = await self._provider.leave(leaving)
            await self._contacts.keep_left(outcomes, self._note(outcomes))
            self._count(leaving, outcomes)

    async def _send_due(self) -> None:
        after: UUID | None = FIRST
        while after is not None:
            begin = after
            due, after = await self._contacts.due(begin, full=self._full)
            if after is not None:
                await self._contacts.leave_here(begin, after)
            # Of two rows with one address, the first is the one that is sent from now on.
            one_each = list({one.contact.email: one for one in reversed(due)}.values())[::-1]
            for lot in in_lots(one_each, self._provider.lot):
                sendable = [one.contact for one in lot if is_address(one.contact.email)]
                outcomes = await self._provider.push(sendable) if sendable else []
                outcomes = [*outcomes, *_no_addresses(lot)]
                self.tally.suppressed += await self._contacts.keep_pushed(
                    lot, outcomes, self._note(outcomes)
                )
                self._count([one.contact for one in lot], outcomes)

    def _note(self, outcomes: Sequence[Outcome]) -> Note:
        """Adds what is settled to the log: who failed for now is sent again, and counts then."""
        self._settled.count([one for one in outcomes if one.kind != "failed"])
        return lambda connection: self._journal.keep(connection, self._settled)

    def _count(self, contacts: Sequence[Contact], outcomes: Sequence[Outcome]) -> None:
        self.tally.count(outcomes)
        self._progress()
        self._ctx.log.debug("lot_sent", provider=self._provider.name, contacts=len(contacts))

    def _progress(self) -> None:
        self._ctx.progress(self.tally.pulled + self.tally.processed, None)


def _no_addresses(due: Sequence[Due]) -> list[Outcome]:
    return [
        Outcome(one.contact.email, "refused", message="is no e-mail address")
        for one in due
        if not is_address(one.contact.email)
    ]
