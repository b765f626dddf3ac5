"""Mailchimp's Marketing API (3.0).

New people go in 500 a call, with `update_existing` off: who is there already, in whatever status,
stays as they are. Updates and departures are PATCH operations in batches of 500, which carry no
status but `unsubscribed`, and which Mailchimp works off by itself; 10 calls at once.

`status: subscribed` subscribes without a confirmation message, also where the audience has double
opt-in. Automations and journeys that start with a sign-up do start, and the API has no switch for
it: pause them until the first sync is through. Who was deleted for good cannot be put back by the
API; Mailchimp says so, and it is kept as refused.
"""

from __future__ import annotations

import asyncio
import base64
import json
import tarfile
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import quote

import aiohttp

from jobs.newsletter.http import Api
from jobs.newsletter.limits import Limiter
from jobs.newsletter.lots import each_that_is_taken, in_lots
from jobs.newsletter.mailchimp_results import (
    STATUSES,
    created,
    member_id,
    patched,
    sentence,
    unpack,
)
from jobs.newsletter.provider import (
    Contact,
    Cursor,
    Outcome,
    Page,
    RefusedError,
    Remote,
)
from scheduler.services import Mailchimp as Settings

CALL = 500
PAGE = 1_000
AT_ONCE = 8
"""Of the 10 that Mailchimp allows; the rest is left to whoever else uses the account."""
MOST_POLL_WAIT = 15.0
FIELDS = "members.id,members.email_address,members.status,members.last_changed,total_items"


class Mailchimp:
    name = "mailchimp"
    label = "Mailchimp"
    lot = CALL * AT_ONCE
    echoes = True

    def __init__(self, settings: Settings, session: aiohttp.ClientSession) -> None:
        key = settings.api_key.get_secret_value()
        basic = base64.b64encode(f"lamplighter:{key}".encode()).decode()
        self.audience = f"{settings.api_url} list {settings.list_id}"
        self._list = f"/3.0/lists/{quote(settings.list_id, safe='')}"
        self._api = Api(
            session,
            label=self.label,
            url=settings.api_url,
            setting="MAILCHIMP_API_URL or MAILCHIMP_SERVER_PREFIX",
            headers={"Authorization": f"Basic {basic}"},
            secret=key,
            limiter=Limiter(AT_ONCE),
            sentence=sentence,
        )

    async def check(self) -> str:
        answer = await self._api.call(
            "look for MAILCHIMP_LIST_ID", "GET", self._list, params={"fields": "id,name"}
        )
        if not isinstance(answer.data, dict) or "id" not in answer.data:
            raise self._api.unexpected("look for MAILCHIMP_LIST_ID", "no audience")
        return "reachable, the key is valid, and the audience is there"

    async def changes(
        self,
        cursor: Cursor | None,
        *,
        full: bool,  # noqa: ARG002 - a cursor from the beginning reads everything
    ) -> Page:
        """By time of change: from the last page's end, one second before it.

        Many who changed in one second are read by offset.
        """
        cursor = cursor or {}
        since, offset = cursor.get("since"), _int(cursor.get("offset"))
        params = {
            "fields": FIELDS,
            "count": str(PAGE),
            "offset": str(offset),
            "sort_field": "last_changed",
            "sort_dir": "ASC",
        }
        if since:
            params["since_last_changed"] = str(since)
        operation = "list members"
        answer = await self._api.call(operation, "GET", f"{self._list}/members", params=params)
        try:
            rows = [
                Remote(str(m["email_address"]), str(m["id"]), STATUSES.get(m["status"], "pending"))
                for m in answer.data["members"]
            ]
            last = str(answer.data["members"][-1]["last_changed"]) if rows else None
            reached = datetime.fromisoformat(last) - timedelta(seconds=1) if last else None
            before = datetime.fromisoformat(str(since)) if since else None
        except (TypeError, KeyError, ValueError) as error:
            raise self._api.unexpected(operation, "no list of members") from error
        more = len(rows) >= PAGE
        if reached is not None and (before is None or reached > before):
            return Page(rows, {"since": reached.isoformat(), "offset": 0}, more)
        going_on = offset + len(rows) if more else 0
        return Page(rows, {"since": since, "offset": going_on} if since or more else None, more)

    async def push(self, contacts: Sequence[Contact]) -> list[Outcome]:
        new = [contact for contact in contacts if not contact.known]
        made = await self._together(list(in_lots(new, CALL)), self._create)
        # Who is there after all is updated; the answer says in which status they are.
        there = {outcome.email for outcome in made if outcome.kind == "updated"}
        known = [c for c in contacts if c.known or c.email in there]
        outcomes = [outcome for outcome in made if outcome.kind != "updated"]
        for lot in in_lots(known, CALL):
            outcomes += await self._patch(
                lot, [{"merge_fields": _fields(c)} for c in lot], "updated"
            )
        return await self._segments(contacts, outcomes)

    async def leave(self, contacts: Sequence[Contact]) -> list[Outcome]:
        outcomes: list[Outcome] = []
        for lot in in_lots(contacts, CALL):
            outcomes += await self._patch(lot, [{"status": "unsubscribed"}] * len(lot), "left")
        return outcomes

    async def _together(self, lots: Sequence[Sequence[Contact]], send: Any) -> list[Outcome]:
        tasks = [asyncio.ensure_future(each_that_is_taken(lot, send)) for lot in lots]
        try:
            return [outcome for outcomes in await asyncio.gather(*tasks) for outcome in outcomes]
        finally:
            for task in tasks:
                task.cancel()

    async def _create(self, contacts: Sequence[Contact]) -> list[Outcome]:
        members = [
            {"email_address": c.email, "status": "subscribed", "merge_fields": _fields(c)}
            for c in contacts
        ]
        answer = await self._api.call(
            "add members",
            "POST",
            self._list,
            params={"skip_merge_validation": "true"},
            body={"members": members, "update_existing": False},
        )
        try:
            made = {m["email_address"].lower(): m for m in answer.data["new_members"]}
            errors = {e["email_address"].lower(): e for e in answer.data["errors"]}
        except (TypeError, KeyError, AttributeError) as error:
            raise self._api.unexpected("add members", "no list of new members") from error
        return [created(c.email, made.get(c.email), errors.get(c.email)) for c in contacts]

    async def _patch(
        self, contacts: Sequence[Contact], bodies: Sequence[dict[str, Any]], kind: Any
    ) -> list[Outcome]:
        """A batch: handed in, worked off there, and its results fetched."""
        operations = [
            {
                "method": "PATCH",
                "path": f"{self._list.removeprefix('/3.0')}/members/{member_id(contact.email)}",
                "params": {"skip_merge_validation": "true"},
                "operation_id": str(number),
                "body": json.dumps(body),
            }
            for number, (contact, body) in enumerate(zip(contacts, bodies, strict=True))
        ]
        if not operations:
            return []
        answer = await self._api.call(
            "batch", "POST", "/3.0/batches", body={"operations": operations}
        )
        batch = answer.data.get("id") if isinstance(answer.data, dict) else None
        if not isinstance(batch, str):
            raise self._api.unexpected("batch", "no id of the batch")
        done = await self._api.poll(
            "batch",
            f"/3.0/batches/{quote(batch, safe='')}",
            lambda data: isinstance(data, dict) and data.get("status") == "finished",
            most_wait=MOST_POLL_WAIT,
        )
        packed = await self._api.download("batch", str(done.get("response_body_url")))
        try:
            results = await asyncio.to_thread(unpack, packed)
        except (tarfile.TarError, OSError, EOFError, ValueError, KeyError, TypeError) as error:
            raise self._api.unexpected("batch", f"results that cannot be read: {error}") from error
        return [
            patched(contact, results.get(str(number)), kind)
            for number, contact in enumerate(contacts)
        ]

    async def _segments(
        self, contacts: Sequence[Contact], outcomes: list[Outcome]
    ) -> list[Outcome]:
        """Change the static segments of those who were taken."""
        taken = {o.email: o for o in outcomes if o.kind in {"created", "updated"}}
        moves: dict[str, tuple[list[str], list[str]]] = {}
        for contact in contacts:
            if contact.email in taken:
                for segment in contact.joins:
                    moves.setdefault(segment, ([], []))[0].append(contact.email)
                for segment in contact.leaves:
                    moves.setdefault(segment, ([], []))[1].append(contact.email)
        for segment, (joining, leaving) in moves.items():
            for field, emails in (("members_to_add", joining), ("members_to_remove", leaving)):
                for lot in in_lots(emails, CALL):
                    for email, message in (await self._segment(segment, field, lot)).items():
                        known = taken.get(email)
                        if known is not None:
                            taken[email] = Outcome(
                                email,
                                "refused",
                                known.remote_id,
                                known.status or "active",
                                f"segment: {message}",
                            )
        return [taken.get(outcome.email, outcome) for outcome in outcomes]

    async def _segment(self, segment: str, field: str, emails: Sequence[str]) -> dict[str, str]:
        """Change one segment; who was refused, with Mailchimp's words."""
        path = f"{self._list}/segments/{quote(segment, safe='')}"
        try:
            answer = await self._api.call("segment", "POST", path, body={field: list(emails)})
        except RefusedError as error:
            return dict.fromkeys(emails, error.sentence)
        refused: dict[str, str] = {}
        errors = answer.data.get("errors") if isinstance(answer.data, dict) else None
        for entry in errors if isinstance(errors, list) else []:
            if isinstance(entry, dict):
                for email in entry.get("email_addresses") or []:
                    refused[str(email).lower()] = str(entry.get("error"))[:300]
        return refused


def _fields(contact: Contact) -> dict[str, str]:
    """Mailchimp passes over merge fields that the audience does not have."""
    return {"FNAME": contact.first_name, "LNAME": contact.last_name, "TIER": contact.tier}


def _int(value: Any) -> int:
    return value if isinstance(value, int) else 0
