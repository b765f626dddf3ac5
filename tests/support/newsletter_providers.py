"""MailerLite, Mailchimp and Brevo as their public documentation says they behave."""

from __future__ import annotations

import base64
import hashlib
import io
import json
import tarfile
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any, ClassVar
from urllib.parse import unquote

from aiohttp import web
from pydantic import SecretStr

from scheduler.services import Brevo, Mailchimp, MailerLite, Services
from tests.support.newsletters import EPOCH, KEY, FakeProvider, Person

SECRET = SecretStr("hook-secret")


def valid(email: object) -> bool:
    return isinstance(email, str) and "@" in email and "invalid" not in email


class FakeMailerLite(FakeProvider):
    """Imports are worked off on the third question; who left is passed over by them."""

    imports: dict[str, dict[str, Any]]
    groups: ClassVar[set[str]] = {"main", "g1", "g2"}

    def __init__(self) -> None:
        super().__init__()
        self.imports = {}

    def services(self, group: str | None = "main") -> Services:
        return Services(mailerlite=MailerLite(SecretStr(KEY), self.url, group, SECRET))

    def is_authorised(self, request: web.Request) -> bool:
        return request.headers.get("Authorization") == f"Bearer {KEY}"

    def problem(self, status: int, sentence: str) -> web.Response:
        return web.json_response({"message": sentence}, status=status)

    def is_write(self, call: Any) -> bool:
        if call.path == "/api/batch":
            return any(one["method"] != "GET" for one in call.body["requests"])
        return bool(call.method != "GET")

    def routes(self) -> Sequence[web.RouteDef]:
        return [
            web.get("/api/subscribers", self.list),
            web.get("/api/groups/{group}/subscribers", self.group_list),
            web.post("/api/subscribers/import", self.bulk),
            web.post("/api/groups/{group}/import-subscribers", self.bulk),
            web.get("/api/subscribers/import/{id}", self.progress),
            web.post("/api/batch", self.batch),
        ]

    def shown(self, person: Person) -> dict[str, Any]:
        return {"id": person.id, "email": person.email, "status": person.status}

    async def list(self, request: web.Request) -> web.Response:
        status, limit = request.query.get("filter[status]"), int(request.query.get("limit", "25"))
        everybody = sorted(self.people.values(), key=lambda person: person.id)
        try:
            after = base64.b64decode(request.query.get("cursor", "")).decode()
        except ValueError:
            return self.problem(422, "The cursor is invalid.")
        found = [p for p in everybody if status in {None, p.status} and p.id > after]
        page = found[:limit]
        following = None
        if len(found) > limit:
            following = base64.b64encode(page[-1].id.encode()).decode()
        return web.json_response(
            {
                "data": [self.shown(person) for person in page],
                "links": {"next": following},
                "meta": {"next_cursor": following, "per_page": limit},
            }
        )

    async def group_list(self, request: web.Request) -> web.Response:
        if request.match_info["group"] not in self.groups:
            return self.problem(404, "Resource not found.")
        return web.json_response({"data": []})

    async def bulk(self, request: web.Request) -> web.Response:
        group = request.match_info.get("group")
        if group is not None and group not in self.groups:
            return self.problem(404, "Resource not found.")
        self.ids += 1
        key = str(self.ids)
        self.imports[key] = {
            "asked": 0,
            "subscribers": request["json"]["subscribers"],
            "group": group,
            "invalid": [],
        }
        url = f"{self.url}/api/subscribers/import/{key}"
        return web.json_response({"import_progress_url": url})

    async def progress(self, request: web.Request) -> web.Response:
        job = self.imports[request.match_info["id"]]
        job["asked"] += 1
        if job["asked"] == 3:
            self.work_off(job)
        done = job["asked"] >= 3
        report = {
            "id": "1",
            "done": done,
            "percent": 100 if done else 40,
            "invalid": job["invalid"],
            "mistyped": [],
        }
        return web.json_response({"data": report}, headers={"Retry-After": "0"})

    def work_off(self, job: dict[str, Any]) -> None:
        for one in job["subscribers"]:
            email = one["email"].lower()
            if not valid(email):
                job["invalid"].append(email)
                continue
            person = self.people.get(email)
            if person is None:
                person = self.has(email, "active")
            if person.status == "active":
                person.fields.update(one["fields"])
                if job["group"]:
                    person.groups.add(job["group"])

    async def batch(self, request: web.Request) -> web.Response:
        requests = request["json"]["requests"]
        if not 1 <= len(requests) <= 50:
            return self.problem(422, "The given data was invalid.")
        answers = [self.one(each) for each in requests]
        failed = sum(answer["code"] >= 400 for answer in answers)
        return web.json_response(
            {
                "total": len(answers),
                "successful": len(answers) - failed,
                "failed": failed,
                "responses": answers,
            }
        )

    def one(self, call: dict[str, Any]) -> dict[str, Any]:
        assert call["path"].startswith("api/subscribers/")
        parts = [unquote(part) for part in call["path"].split("/")[2:]]
        person = self.people.get(parts[0].lower()) or next(
            (p for p in self.people.values() if p.id == parts[0]), None
        )
        if person is None or (len(parts) == 3 and parts[2] not in self.groups):
            return {"code": 404, "body": {"message": "Resource not found."}}
        match call["method"], len(parts):
            case "GET", 1:
                pass
            case "PUT", 1:
                body = call["body"]
                if "refuse" in body.get("fields", {}).get("name", ""):
                    errors = {"fields.name": ["The name is not allowed."]}
                    return {"code": 422, "body": {"message": "Invalid data.", "errors": errors}}
                if body.get("status") == "active" and person.status != "active":
                    sentence = "This subscriber is unsubscribed and cannot be imported"
                    return {"code": 422, "body": {"message": sentence}}
                person.fields.update(body.get("fields", {}))
                person.status = body.get("status", person.status)
            case "POST", 3:
                person.groups.add(parts[2])
                return {"code": 200, "body": {"data": {"id": parts[2], "name": "a group"}}}
            case "DELETE", 3:
                person.groups.discard(parts[2])
                return {"code": 204, "body": None}
            case _:
                return {"code": 405, "body": {"message": "Method not allowed."}}
        return {"code": 200, "body": {"data": self.shown(person)}}


class FakeMailchimp(FakeProvider):
    """Batches are worked off on the second question; results are at an open address."""

    LIST = "aud1"

    def __init__(self) -> None:
        super().__init__()
        self.batches: dict[str, dict[str, Any]] = {}
        self.forgotten: set[str] = set()

    def services(self, list_id: str = LIST) -> Services:
        return Services(mailchimp=Mailchimp(SecretStr(KEY), self.url, list_id, SECRET))

    def is_authorised(self, request: web.Request) -> bool:
        scheme, _, code = request.headers.get("Authorization", "").partition(" ")
        return scheme == "Basic" and base64.b64decode(code).decode().endswith(f":{KEY}")

    def problem(self, status: int, sentence: str) -> web.Response:
        return web.json_response(
            {"type": "about:blank", "title": "Wrong", "status": status, "detail": sentence},
            status=status,
            content_type="application/problem+json",
        )

    def new_id(self, email: str) -> str:
        return hashlib.md5(email.lower().encode(), usedforsecurity=False).hexdigest()

    def routes(self) -> Sequence[web.RouteDef]:
        at = f"/3.0/lists/{self.LIST}"
        return [
            web.get(at, self.show),
            web.post(at, self.subscribe),
            web.get(f"{at}/members", self.members),
            web.post(at + "/segments/{segment}", self.segment),
            web.post("/3.0/batches", self.batch),
            web.get("/3.0/batches/{id}", self.batch_status),
            web.get("/open/results/{id}", self.results),
        ]

    async def show(self, request: web.Request) -> web.Response:
        return web.json_response({"id": self.LIST, "name": "Readers"})

    def shown(self, person: Person) -> dict[str, Any]:
        return {
            "id": person.id,
            "email_address": person.email,
            "status": person.status,
            "last_changed": person.changed.isoformat(),
        }

    async def members(self, request: web.Request) -> web.Response:
        query = request.query
        since = datetime.fromisoformat(query.get("since_last_changed", EPOCH.isoformat()))
        found = sorted(
            (p for p in self.people.values() if p.changed > since),
            key=lambda person: (person.changed, person.id),
        )
        offset, count = int(query.get("offset", "0")), min(int(query.get("count", "10")), 1000)
        page = [self.shown(person) for person in found[offset : offset + count]]
        return web.json_response({"members": page, "total_items": len(found)})

    async def subscribe(self, request: web.Request) -> web.Response:
        body = request["json"]
        if len(body["members"]) > 500:
            return self.problem(400, "more than 500 members")
        if any("poison" in member["email_address"] for member in body["members"]):
            return self.problem(400, "The resource submitted could not be validated.")
        made, errors = [], []
        changed = self.tick()
        for member in body["members"]:
            email = member["email_address"].lower()
            said = None
            if not valid(email):
                said = ("looks fake or invalid, please enter a real email address.", "GENERIC")
            elif email in self.forgotten:
                said = (f"{email} was permanently deleted and cannot be re-imported.", "GENERIC")
            elif email in self.people and not body["update_existing"]:
                said = (
                    f"{email} is already a list member, do you want to update?",
                    "CONTACT_EXISTS",
                )
            if said:
                errors.append(
                    {"email_address": email, "error": said[0], "error_code": f"ERROR_{said[1]}"}
                )
                continue
            person = self.has(email, member["status"], **member["merge_fields"])
            person.changed = changed
            made.append(self.shown(person))
        return web.json_response(
            {
                "new_members": made,
                "updated_members": [],
                "errors": errors,
                "total_created": len(made),
                "error_count": len(errors),
            }
        )

    async def segment(self, request: web.Request) -> web.Response:
        name, body = request.match_info["segment"], request["json"]
        if name == "missing":
            return self.problem(404, "The requested resource could not be found.")
        for email in body.get("members_to_add", []):
            if email in self.people:
                self.people[email].groups.add(name)
        for email in body.get("members_to_remove", []):
            self.people[email].groups.discard(name)
        return web.json_response({"members_added": [], "members_removed": [], "errors": []})

    async def batch(self, request: web.Request) -> web.Response:
        self.ids += 1
        key = f"batch{self.ids}"
        self.batches[key] = {"asked": 0, "operations": request["json"]["operations"]}
        return web.json_response({"id": key, "status": "pending"})

    async def batch_status(self, request: web.Request) -> web.Response:
        key = request.match_info["id"]
        job = self.batches[key]
        job["asked"] += 1
        if job["asked"] < 2:
            return web.json_response(
                {"id": key, "status": "started", "response_body_url": ""},
                headers={"Retry-After": "0"},
            )
        if "results" not in job:
            job["results"] = [self.operate(one) for one in job["operations"]]
        url = f"{self.url}/open/results/{key}"
        return web.json_response({"id": key, "status": "finished", "response_body_url": url})

    def operate(self, operation: dict[str, Any]) -> dict[str, Any]:
        assert operation["method"] == "PATCH"
        assert operation["path"].startswith(f"/lists/{self.LIST}/members/")
        body = json.loads(operation["body"])
        key = operation["path"].rpartition("/")[2]
        person = next((p for p in self.people.values() if p.id == key), None)
        code, answer = 200, {}
        if person is None:
            code, answer = 404, {"title": "Resource Not Found", "detail": "Not there."}
        else:
            if "status" in body and person.status == "subscribed":
                person.status = body["status"]
            person.fields.update(body.get("merge_fields", {}))
            person.changed = self.tick()
            answer = self.shown(person)
        return {
            "status_code": code,
            "operation_id": operation["operation_id"],
            "response": json.dumps(answer),
        }

    async def results(self, request: web.Request) -> web.Response:
        assert "Authorization" not in request.headers
        job = self.batches[request.match_info["id"]]
        raw = json.dumps(job["results"]).encode()
        packed = io.BytesIO()
        with tarfile.open(fileobj=packed, mode="w:gz") as archive:
            folder = tarfile.TarInfo("./")
            folder.type = tarfile.DIRTYPE
            archive.addfile(folder)
            info = tarfile.TarInfo("./results.json")
            info.size = len(raw)
            archive.addfile(info, io.BytesIO(raw))
        return web.Response(body=packed.getvalue(), content_type="application/gzip")


class FakeBrevo(FakeProvider):
    """Imports are worked off on the second question; groups are lists, ours is 7."""

    LIST = 7

    def __init__(self) -> None:
        super().__init__()
        self.processes: dict[int, dict[str, Any]] = {}

    def services(self, list_id: int = LIST) -> Services:
        return Services(brevo=Brevo(SecretStr(KEY), self.url, list_id, SECRET))

    def has(self, email: str, status: str, **fields: str) -> Person:
        person = super().has(email, status, **fields)
        person.groups.add(str(self.LIST))
        return person

    def is_authorised(self, request: web.Request) -> bool:
        return request.headers.get("api-key") == KEY

    def problem(self, status: int, sentence: str) -> web.Response:
        codes = {404: "document_not_found", 401: "unauthorized"}
        code = codes.get(status, "invalid_parameter")
        return web.json_response({"code": code, "message": sentence}, status=status)

    def routes(self) -> Sequence[web.RouteDef]:
        return [
            web.get("/v3/contacts/lists/{list}", self.show),
            web.get("/v3/contacts", self.list),
            web.post("/v3/contacts/import", self.bulk),
            web.get("/v3/processes/{id}", self.process),
            web.get("/open/reports/{id}.csv", self.report),
            web.post("/v3/contacts/batch", self.batch),
            web.put("/v3/contacts/{email}", self.put),
            web.post("/v3/contacts/lists/{list}/contacts/{verb:add|remove}", self.move),
        ]

    async def show(self, request: web.Request) -> web.Response:
        if request.match_info["list"] != str(self.LIST):
            return self.problem(404, "List ID does not exist")
        return web.json_response({"id": self.LIST, "name": "Readers"})

    async def list(self, request: web.Request) -> web.Response:
        query = request.query
        since = query.get("modifiedSince")
        begin = datetime.fromisoformat(since) if since else EPOCH - timedelta(days=1)
        found = sorted(
            (p for p in self.people.values() if p.changed > begin), key=lambda p: int(p.id)
        )
        limit, offset = int(query.get("limit", "50")), int(query.get("offset", "0"))
        if limit > 1000:
            return self.problem(400, "Limit exceeds max value")
        contacts: list[dict[str, Any]] = [
            {
                "id": int(p.id),
                "email": p.email,
                "emailBlacklisted": p.status == "blocked",
                "listIds": [int(group) for group in p.groups],
                "listUnsubscribed": [self.LIST] if p.status == "left list" else None,
                "modifiedAt": p.changed.isoformat(timespec="milliseconds"),
            }
            for p in found[offset : offset + limit]
        ]
        return web.json_response({"contacts": contacts, "count": len(found)})

    async def bulk(self, request: web.Request) -> web.Response:
        body = request["json"]
        assert body["disableNotification"] is True
        self.ids += 1
        self.processes[self.ids] = {"asked": 0, "body": body, "invalid": []}
        return web.json_response({"processId": self.ids}, status=202)

    async def process(self, request: web.Request) -> web.Response:
        key = int(request.match_info["id"])
        job = self.processes[key]
        job["asked"] += 1
        if job["asked"] < 2:
            answer = {"id": key, "name": "IMPORTUSER", "status": "queued"}
            return web.json_response(answer, headers={"Retry-After": "0"})
        if job["asked"] == 2:
            self.work_off(job)
        url = f"{self.url}/open/reports/{key}.csv" if job["invalid"] else ""
        return web.json_response(
            {
                "id": key,
                "name": "IMPORTUSER",
                "status": "completed",
                "info": {"import": {"invalid_emails": url}},
            }
        )

    def work_off(self, job: dict[str, Any]) -> None:
        changed = self.tick()
        for one in job["body"]["jsonBody"]:
            email = one["email"].lower()
            if not valid(email):
                job["invalid"].append(email)
            elif email not in self.people:
                self.has(email, "subscribed", **one["attributes"]).changed = changed
            elif job["body"]["updateExistingContacts"]:
                self.people[email].fields.update(one["attributes"])

    async def report(self, request: web.Request) -> web.Response:
        assert "api-key" not in request.headers
        job = self.processes[int(request.match_info["id"])]
        return web.Response(text="EMAIL\n" + "\n".join(job["invalid"]), content_type="text/csv")

    def change(self, email: str, row: dict[str, Any]) -> None:
        person = self.people[email.lower()]
        person.fields.update(row.get("attributes", {}))
        if "emailBlacklisted" in row:
            person.status = "blocked" if row["emailBlacklisted"] else "subscribed"
        if self.LIST in row.get("listIds", ()):
            person.groups.add(str(self.LIST))
            if person.status == "left list":
                person.status = "subscribed"
        person.changed = self.tick()

    async def batch(self, request: web.Request) -> web.Response:
        rows = request["json"]["contacts"]
        if len(rows) > 100 or any(row["email"] not in self.people for row in rows):
            return self.problem(400, "Contact does not exist")
        for row in rows:
            self.change(row["email"], row)
        return web.Response(status=204)

    async def put(self, request: web.Request) -> web.Response:
        email = request.match_info["email"]
        if email not in self.people:
            return self.problem(404, "Contact does not exist")
        self.change(email, request["json"])
        return web.Response(status=204)

    async def move(self, request: web.Request) -> web.Response:
        listed, verb = request.match_info["list"], request.match_info["verb"]
        emails = request["json"]["emails"]
        if len(emails) > 150:
            return self.problem(400, "Maximum 150 emails")
        if listed == "99":
            return self.problem(404, "List ID does not exist")
        for email in emails:
            groups = self.people[email].groups
            groups.add(listed) if verb == "add" else groups.discard(listed)
        answer: dict[str, Any] = {"contacts": {"success": emails, "failure": []}}
        return web.json_response(answer, status=201)
