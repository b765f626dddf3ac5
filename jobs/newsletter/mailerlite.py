"""MailerLite (connect.mailerlite.com/api).

New people go in by import, the rest by batches of 50 calls; 120 calls and 5 imports a minute. An
import does not subscribe again who left: MailerLite passes them over and says so. It has no list
of what changed, so those who left are read whole at each sync, the others at a full reconcile:
only then is somebody met who came to MailerLite by another way.

Nobody gets a message for being created by the API, double opt-in included. But automations that
start when somebody joins a group do start, and the API has no switch for it: keep
MAILERLITE_GROUP_ID and the groups of segments free of them until the first sync is through.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import quote

import aiohttp

from jobs.newsletter.http import Answer, Api
from jobs.newsletter.limits import Limiter
from jobs.newsletter.lots import each_that_is_taken, in_lots
from jobs.newsletter.provider import (
    Contact,
    Cursor,
    Outcome,
    Page,
    Remote,
    RemoteStatus,
)
from scheduler.services import MailerLite as Settings

CALLS_A_BATCH = 50
PAGE = 1_000
MOST_POLL_WAIT = 15.0
STATUSES: dict[str, RemoteStatus] = {
    "active": "active",
    "unconfirmed": "pending",
    "unsubscribed": "unsubscribed",
    "bounced": "bounced",
    "junk": "complained",
}
# Who is active comes first: whoever leaves between two pages is then met again, as having left.
ALL = ("active", "unconfirmed", "unsubscribed", "bounced", "junk")
LEFT = ("unsubscribed", "bounced", "junk")


class MailerLite:
    name = "mailerlite"
    label = "MailerLite"
    lot = 1_000
    echoes = False

    def __init__(self, settings: Settings, session: aiohttp.ClientSession) -> None:
        key = settings.api_key.get_secret_value()
        self.audience = f"{settings.api_url} group {settings.group_id or 'none'}"
        self._group = settings.group_id
        self._api = Api(
            session,
            label=self.label,
            url=settings.api_url,
            setting="MAILERLITE_API_URL",
            headers={"Authorization": f"Bearer {key}"},
            secret=key,
            limiter=Limiter(4, 120, 60),
            limit_header="X-RateLimit-Limit",
            sentence=_sentence,
        )

    async def check(self) -> str:
        await self._api.call("check", "GET", "/api/subscribers", params={"limit": "1"})
        if self._group:
            path = f"/api/groups/{quote(self._group, safe='')}/subscribers"
            await self._api.call("look for MAILERLITE_GROUP_ID", "GET", path, params={"limit": "1"})
        return "reachable, and the key is valid"

    async def changes(self, cursor: Cursor | None, *, full: bool) -> Page:
        statuses = ALL if full else LEFT
        cursor = cursor or {}
        status = str(cursor.get("status", statuses[0]))
        index = statuses.index(status) if status in statuses else 0
        params = {"filter[status]": statuses[index], "limit": str(PAGE)}
        if at := cursor.get("at"):
            params["cursor"] = str(at)
        answer = await self._api.call("list subscribers", "GET", "/api/subscribers", params=params)
        try:
            rows = [_remote(row) for row in answer.data["data"]]
            following = answer.data["meta"]["next_cursor"]
        except (TypeError, KeyError, AttributeError) as error:
            raise self._api.unexpected("list subscribers", "no list of subscribers") from error
        if following and following != at:
            here: Cursor = {"status": statuses[index], "at": str(following)}
            return Page(rows, here, more=True, resumable=full)
        if index + 1 < len(statuses):
            return Page(rows, {"status": statuses[index + 1]}, more=True, resumable=full)
        return Page(rows, None, more=False)

    async def push(self, contacts: Sequence[Contact]) -> list[Outcome]:
        outcomes = await each_that_is_taken([c for c in contacts if not c.known], self._import)
        known = [contact for contact in contacts if contact.known]
        outcomes += await self._batch(
            known,
            [{"method": "PUT", "path": _path(c), "body": {"fields": _fields(c)}} for c in known],
            "updated",
        )
        return await self._regroup(contacts, outcomes)

    async def leave(self, contacts: Sequence[Contact]) -> list[Outcome]:
        body = {"status": "unsubscribed"}
        calls = [{"method": "PUT", "path": _path(c), "body": body} for c in contacts]
        return await self._batch(contacts, calls, "left")

    async def _import(self, contacts: Sequence[Contact]) -> list[Outcome]:
        people = [{"email": c.email, "fields": _fields(c)} for c in contacts]
        path = "/api/subscribers/import"
        if self._group:
            path = f"/api/groups/{quote(self._group, safe='')}/import-subscribers"
        answer = await self._api.call("import", "POST", path, body={"subscribers": people})
        url = _inside(answer).get("import_progress_url")
        if not isinstance(url, str):
            raise self._api.unexpected("import", "no address of its progress")
        at = self._api.same_origin("import", url)
        report = await self._api.poll(
            "import", at, lambda data: _inner(data).get("done") is True, most_wait=MOST_POLL_WAIT
        )
        # The report names few addresses; each one is looked up, which gives its id and status.
        calls: list[dict[str, object]] = [
            {"method": "GET", "path": f"api/subscribers/{quote(c.email, safe='')}"}
            for c in contacts
        ]
        passed_over = {
            address.lower(): f"MailerLite calls it {word.replace('_', ' ')}"
            for word in ("invalid", "mistyped", "role_based", "banned")
            for address in _addresses(_inner(report).get(word))
        }
        outcomes = await self._batch(contacts, calls, "created")
        return [
            Outcome(
                outcome.email,
                "refused",
                message=passed_over.get(outcome.email, "MailerLite did not import it"),
            )
            if outcome.kind == "gone"
            else outcome
            for outcome in outcomes
        ]

    async def _regroup(self, contacts: Sequence[Contact], outcomes: list[Outcome]) -> list[Outcome]:
        """Put those who were taken into the groups of their segments, and take them out."""
        taken = {o.email: o for o in outcomes if o.kind in {"created", "updated"}}
        owners: list[Contact] = []
        calls: list[dict[str, object]] = []
        for contact in contacts:
            outcome = taken.get(contact.email)
            if outcome is None or outcome.status not in {"active", None}:
                continue
            for method, groups in (("POST", contact.joins), ("DELETE", contact.leaves)):
                for group in groups:
                    key = quote(outcome.remote_id or contact.email, safe="")
                    path = f"api/subscribers/{key}/groups/{quote(group, safe='')}"
                    owners.append(contact)
                    calls.append({"method": method, "path": path})
        for moved, call in zip(await self._batch(owners, calls, "updated"), calls, strict=True):
            if moved.kind == "updated" or (moved.kind == "gone" and call["method"] == "DELETE"):
                continue
            kind = "refused" if moved.kind == "gone" else moved.kind
            message = moved.message or "there is no such group"
            known = taken[moved.email]
            taken[moved.email] = Outcome(
                moved.email, kind, known.remote_id, known.status or "active", f"group: {message}"
            )
        return [taken.get(outcome.email, outcome) for outcome in outcomes]

    async def _batch(
        self,
        contacts: Sequence[Contact],
        calls: Sequence[Mapping[str, object]],
        kind: Any,
    ) -> list[Outcome]:
        outcomes: list[Outcome] = []
        for people, lot in zip(
            in_lots(contacts, CALLS_A_BATCH), in_lots(calls, CALLS_A_BATCH), strict=True
        ):
            answer = await self._api.call(
                "batch", "POST", "/api/batch", body={"requests": list(lot)}
            )
            responses = _inner(answer.data).get("responses")
            if not isinstance(responses, list) or len(responses) != len(people):
                raise self._api.unexpected("batch", "not one response for each request")
            outcomes += [
                _outcome(contact, response, kind)
                for contact, response in zip(people, responses, strict=True)
            ]
        return outcomes


def _outcome(contact: Contact, response: Any, kind: Any) -> Outcome:
    code = response.get("code") if isinstance(response, dict) else None
    body = response.get("body") if isinstance(response, dict) else None
    if not isinstance(code, int):
        return Outcome(contact.email, "failed", message="no status in the batch's response")
    if code == 404:
        return Outcome(contact.email, "gone")
    if 200 <= code < 300:
        row = _inner(body).get("data")
        row = row if isinstance(row, dict) else {}
        status = STATUSES.get(str(row.get("status")))
        remote_id = str(row["id"]) if "id" in row and "email" in row else contact.remote_id
        return Outcome(contact.email, kind, remote_id, status)
    sentence = str(_sentence(body) or f"status {code}")[:300]
    passing = code == 429 or code >= 500
    return Outcome(contact.email, "failed" if passing else "refused", message=sentence)


def _remote(row: Any) -> Remote:
    status = STATUSES.get(str(row["status"]), "pending")
    return Remote(str(row["email"]), str(row["id"]), status)


def _path(contact: Contact) -> str:
    return f"api/subscribers/{quote(contact.remote_id or contact.email, safe='')}"


def _fields(contact: Contact) -> dict[str, str]:
    """MailerLite passes over fields that the account does not have."""
    return {
        "name": contact.first_name,
        "last_name": contact.last_name,
        "subscription_tier": contact.tier,
    }


def _inner(data: Any) -> dict[str, Any]:
    """An answer, with or without `data` around it."""
    if isinstance(data, dict) and isinstance(data.get("data"), dict) and "status" not in data:
        inner = data["data"]
        return data if "email" in inner else inner
    return data if isinstance(data, dict) else {}


def _inside(answer: Answer) -> dict[str, Any]:
    return _inner(answer.data)


def _addresses(found: Any) -> list[str]:
    rows = found if isinstance(found, list) else []
    emails = [row.get("email") if isinstance(row, dict) else row for row in rows]
    return [email for email in emails if isinstance(email, str)]


def _sentence(body: Any) -> object:
    """`message`, and the first of what is said field by field."""
    if not isinstance(body, dict):
        return None
    said = [str(body.get("message") or "")]
    errors = body.get("errors")
    if isinstance(errors, dict):
        for messages in list(errors.values())[:3]:
            said += [str(m) for m in (messages if isinstance(messages, list) else [messages])[:1]]
    return " ".join(part for part in said if part)
