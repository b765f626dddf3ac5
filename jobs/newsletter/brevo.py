"""Brevo (api.brevo.com/v3).

New people go in by import (8 MB a call, worked off by a process that is polled), which leaves
contacts that are there already as they are; everybody else is updated in batches of 100. A contact
has left where it is blocklisted, or unsubscribed from our list.

Nobody gets a message for being imported: double opt-in is a call of its own that is never made
here, and notifications of imports are off. But automations that start when a contact joins a list
do start, and the API has no switch for it: pause them until the first sync is through.
"""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import quote

import aiohttp

from jobs.newsletter.http import Api
from jobs.newsletter.limits import Limiter
from jobs.newsletter.lots import each_that_is_taken, in_lots
from jobs.newsletter.provider import (
    Contact,
    Cursor,
    Outcome,
    Page,
    RefusedError,
    Remote,
    RemoteStatus,
)
from scheduler.services import Brevo as Settings

PAGE = 1_000
BATCH = 100
LIST_CALL = 150
"""Addresses a call that puts them on a list or takes them off."""
MOST_IMPORT = 7_500_000
"""Bytes; 10 MB are allowed, 8 are recommended."""
MOST_POLL_WAIT = 60.0
"""Processes may be asked for 100 times an hour."""
AGAIN = timedelta(seconds=5)
"""How far before the last change seen the next reading begins."""


class Brevo:
    name = "brevo"
    label = "Brevo"
    lot = 20_000
    echoes = True

    def __init__(self, settings: Settings, session: aiohttp.ClientSession) -> None:
        key = settings.api_key.get_secret_value()
        self.audience = f"{settings.api_url} list {settings.list_id}"
        self._list = settings.list_id
        self._api = Api(
            session,
            label=self.label,
            url=settings.api_url,
            setting="BREVO_API_URL",
            headers={"api-key": key},
            secret=key,
            limiter=Limiter(4, 10, 1),
            # Its limits differ from call to call, so what one says does not hold for another.
            reset_header="x-sib-ratelimit-reset",
            sentence=lambda body: body.get("message"),
        )

    async def check(self) -> str:
        await self._api.call("look for BREVO_LIST_ID", "GET", f"/v3/contacts/lists/{self._list}")
        return "reachable, the key is valid, and the list is there"

    async def changes(
        self,
        cursor: Cursor | None,
        *,
        full: bool,  # noqa: ARG002 - a cursor from the beginning reads everything
    ) -> Page:
        """In order of creation, which stays as it is while contacts change; by offset."""
        cursor = cursor or {}
        offset = cursor.get("offset")
        offset = offset if isinstance(offset, int) else 0
        params = {"limit": str(PAGE), "offset": str(offset), "sort": "asc"}
        if since := cursor.get("since"):
            params["modifiedSince"] = str(since)
        operation = "list contacts"
        answer = await self._api.call(operation, "GET", "/v3/contacts", params=params)
        newest = str(cursor.get("newest") or "")
        rows: list[Remote] = []
        try:
            found = answer.data["contacts"]
            for contact in found:
                if contact.get("email"):  # some have only a telephone number
                    email, key = str(contact["email"]), str(contact["id"])
                    rows.append(Remote(email, key, self._status(contact)))
                newest = max(newest, _time(contact["modifiedAt"]))
        except (TypeError, KeyError, ValueError, AttributeError) as error:
            raise self._api.unexpected(operation, "no list of contacts") from error
        if len(found) >= PAGE:
            going_on: Cursor = {"since": since, "offset": offset + len(found), "newest": newest}
            return Page(rows, going_on, more=True)
        if newest:
            begin = datetime.fromisoformat(newest) - AGAIN
            since = f"{begin:%Y-%m-%dT%H:%M:%S}.000Z"
        return Page(rows, {"since": since} if since else None, more=False)

    async def push(self, contacts: Sequence[Contact]) -> list[Outcome]:
        outcomes: list[Outcome] = []
        for lot in _by_size([contact for contact in contacts if not contact.known]):
            outcomes += await each_that_is_taken(lot, self._import)
        for batch in in_lots([contact for contact in contacts if contact.known], BATCH):
            # Who is on the list is not put there: they may have left it this very minute.
            rows = [
                {"attributes": _attributes(c)} | ({} if c.on_list else {"listIds": [self._list]})
                for c in batch
            ]
            outcomes += await self._update(batch, rows, "updated")
        return await self._lists(contacts, outcomes)

    async def leave(self, contacts: Sequence[Contact]) -> list[Outcome]:
        outcomes: list[Outcome] = []
        for lot in in_lots(contacts, BATCH):
            outcomes += await self._update(lot, [{"emailBlacklisted": True}] * len(lot), "left")
        return outcomes

    async def _import(self, contacts: Sequence[Contact]) -> list[Outcome]:
        answer = await self._api.call(
            "import",
            "POST",
            "/v3/contacts/import",
            body={
                "jsonBody": [{"email": c.email, "attributes": _attributes(c)} for c in contacts],
                "listIds": [self._list],
                "updateExistingContacts": False,
                "emptyContactsAttributes": False,
                "disableNotification": True,
            },
        )
        process = answer.data.get("processId") if isinstance(answer.data, dict) else None
        if not isinstance(process, int):
            raise self._api.unexpected("import", "no id of the process")
        done = await self._api.poll(
            "import",
            f"/v3/processes/{process}",
            lambda data: isinstance(data, dict) and data.get("status") in ("completed", "failed"),
            most_wait=MOST_POLL_WAIT,
        )
        if done["status"] == "failed":
            raise self._api.unexpected("import", "a process that failed")
        refused = await self._not_imported(done)
        return [
            Outcome(c.email, "refused", message=refused[c.email])
            if c.email in refused
            else Outcome(c.email, "created")
            for c in contacts
        ]

    async def _not_imported(self, process: Any) -> dict[str, str]:
        """Whom the process names as not taken: each report is a CSV file at its own address."""
        info = process.get("info")
        reports = info.get("import") if isinstance(info, dict) else None
        refused: dict[str, str] = {}
        for name in ("invalid_emails",):
            url = reports.get(name) if isinstance(reports, dict) else None
            if not isinstance(url, str) or not url:
                continue
            text = (await self._api.download("import", url)).decode("utf-8", "replace")
            for row in csv.reader(io.StringIO(text), delimiter=";"):
                for cell in row:
                    if "@" in cell or len(row) == 1:
                        refused[cell.strip().lower()] = "Brevo calls it invalid"
        return refused

    async def _update(
        self, contacts: Sequence[Contact], rows: Sequence[dict[str, Any]], kind: Any
    ) -> list[Outcome]:
        """Up to 100 in one call; where that is refused, one by one, to know who is to blame."""
        body = [{"email": c.email, **row} for c, row in zip(contacts, rows, strict=True)]
        try:
            await self._api.call(
                "update contacts", "POST", "/v3/contacts/batch", body={"contacts": body}
            )
        except RefusedError:
            return [
                await self._update_one(contact, row, kind)
                for contact, row in zip(contacts, rows, strict=True)
            ]
        return [Outcome(c.email, kind, c.remote_id) for c in contacts]

    async def _update_one(self, contact: Contact, row: dict[str, Any], kind: Any) -> Outcome:
        path = f"/v3/contacts/{quote(contact.email, safe='')}"
        try:
            await self._api.call("update a contact", "PUT", path, body=row)
        except RefusedError as error:
            if error.status == 404:
                return Outcome(contact.email, "gone")
            return Outcome(contact.email, "refused", contact.remote_id, message=error.sentence)
        return Outcome(contact.email, kind, contact.remote_id)

    async def _lists(self, contacts: Sequence[Contact], outcomes: list[Outcome]) -> list[Outcome]:
        """Change the lists of segments for those who were taken."""
        taken = {o.email: o for o in outcomes if o.kind in {"created", "updated"}}
        moves: dict[tuple[str, str], list[str]] = {}
        for contact in contacts:
            if contact.email in taken:
                for listed in contact.joins:
                    moves.setdefault((listed, "add"), []).append(contact.email)
                for listed in contact.leaves:
                    moves.setdefault((listed, "remove"), []).append(contact.email)
        for (listed, verb), emails in moves.items():
            for lot in in_lots(emails, LIST_CALL):
                for email, message in (await self._move(listed, verb, lot)).items():
                    if known := taken.get(email):
                        taken[email] = Outcome(
                            email,
                            "refused",
                            known.remote_id,
                            "active",
                            f"list {listed}: {message}",
                        )
        return [taken.get(outcome.email, outcome) for outcome in outcomes]

    async def _move(self, listed: str, verb: str, emails: Sequence[str]) -> dict[str, str]:
        """Who could not be moved, with Brevo's words. Whoever is where they should be is fine."""
        path = f"/v3/contacts/lists/{quote(listed, safe='')}/contacts/{verb}"
        try:
            answer = await self._api.call("list", "POST", path, body={"emails": list(emails)})
        except RefusedError as error:
            if error.status != 404 and "already" in error.sentence:
                return {}
            return dict.fromkeys(emails, error.sentence)
        moved = answer.data.get("contacts") if isinstance(answer.data, dict) else None
        failures = moved.get("failure") if isinstance(moved, dict) and verb == "add" else None
        if not isinstance(failures, list):
            return {}
        return {str(email).lower(): "Brevo did not put it there" for email in failures}

    def _status(self, contact: Any) -> RemoteStatus:
        if contact.get("emailBlacklisted") or self._list in (contact.get("listUnsubscribed") or ()):
            return "unsubscribed"
        return "active" if self._list in (contact.get("listIds") or ()) else "absent"


def _by_size(contacts: Sequence[Contact]) -> list[list[Contact]]:
    """Lots whose import stays within what Brevo takes."""
    lots: list[list[Contact]] = []
    size = MOST_IMPORT
    for contact in contacts:
        needs = len(json.dumps(_attributes(contact))) + len(contact.email) + 40
        if size + needs > MOST_IMPORT:
            lots.append([])
            size = 0
        lots[-1].append(contact)
        size += needs
    return lots


def _attributes(contact: Contact) -> dict[str, str]:
    """Brevo passes over attributes that the account does not have."""
    return {
        "FIRSTNAME": contact.first_name,
        "LASTNAME": contact.last_name,
        "SUBSCRIPTION_TIER": contact.tier,
    }


def _time(text: str) -> str:
    """A time as UTC in one form, to be compared as a text."""
    return datetime.fromisoformat(text).astimezone(UTC).isoformat()
