"""What a GitHub for tests lets be written, as its documentation has it, and lists afterwards."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, TypeAlias

from aiohttp import web

from tests.support.github_repository import EXAMPLES, Repository, moment

Answer: TypeAlias = tuple[int, Any, dict[str, str]]

EVENTS = {"COMMENT": "COMMENTED", "APPROVE": "APPROVED", "REQUEST_CHANGES": "CHANGES_REQUESTED"}
PLACES = {
    "review": r"/pulls/(\d+)/reviews",
    "comment": r"/issues/(\d+)/comments",
    "issue": r"/issues",
    "release": r"/releases",
}


@dataclass
class Written:
    """One thing that was written."""

    kind: str
    repository: str
    number: int | None
    """The pull request's or issue's that it is about."""
    asked: Mapping[str, Any]
    """What was sent."""
    answer: dict[str, Any]
    by: str
    """The token."""
    listed: bool = True


@dataclass
class Writes:
    """What was written, and what may be."""

    made: list[Written] = field(default_factory=list)
    readers: set[str] = field(default_factory=set)
    """Tokens that may only read."""
    archived: bool = False
    without_issues: bool = False
    locked: set[int] = field(default_factory=set)
    behind: bool = False
    """Lists do not show what is new until `catch_up`."""
    cut: Callable[[], bool] = lambda: False
    """Whether the answer to a write is lost on its way."""
    now: Callable[[], datetime] = lambda: datetime.now(UTC)

    def catch_up(self) -> None:
        for one in self.made:
            one.listed = True

    def holding(self, text: str) -> list[Written]:
        return [one for one in self.made if text in str(one.asked.get("body"))]

    def answer(
        self, repository: Repository, rest: str, request: web.Request, body: Any
    ) -> Answer | None:
        """The answer to what writes, or lists what was written; None for the rest."""
        for kind, pattern in PLACES.items():
            if found := re.fullmatch(pattern, rest):
                number = int(found[1]) if found.groups() else None
                if request.method == "POST":
                    return self._write(kind, repository, number, body, token_of(request))
                if request.method == "GET":
                    return self._list(kind, repository, number, rest, request)
        return None

    def _write(
        self, kind: str, repository: Repository, number: int | None, body: Any, token: str
    ) -> Answer:
        refused = self._refused(kind, repository, number, body, token)
        if refused is not None:
            status, message = refused
            return status, {"message": message}, {}
        status, answer = self._made(kind, repository, number, body)
        one = Written(kind, repository.full_name, number, body, answer, token, not self.behind)
        self.made.append(one)
        return status, answer, {}

    def _refused(
        self, kind: str, repository: Repository, number: int | None, body: Any, token: str
    ) -> tuple[int, str] | None:
        if token in self.readers:
            return 403, "Resource not accessible by personal access token"
        if self.archived:
            return 403, "Repository was archived so is read-only."
        if number is not None:
            if number in repository.deleted:
                return 410, "This issue was deleted"
            item = repository.items[number]
            if kind == "review" and not item.is_pull:
                raise KeyError(number)
            if number in self.locked:
                return 403, "Unable to create comment because issue is locked."
        if kind == "issue" and self.without_issues:
            return 410, "Issues has been disabled in this repository."
        needed = {"issue": "title", "release": "tag_name"}.get(kind, "body")
        if not body.get(needed):
            return 422, "Validation Failed"
        if kind == "release" and any(
            one["tag_name"] == body["tag_name"] and not one["draft"] and not body.get("draft")
            for one in repository.releases
        ):
            return 422, "Validation Failed: already_exists"
        return None

    def _made(
        self, kind: str, repository: Repository, number: int | None, body: Any
    ) -> tuple[int, dict[str, Any]]:
        made = 9_000_000 + len(self.made)
        at, page = moment(self.now()), f"https://github.com/{repository.full_name}"
        match kind:
            case "review":
                return 200, {
                    **EXAMPLES["pull-request-review-items"][0],
                    "id": made,
                    "body": body["body"],
                    # Without an event it waits for its author to submit it, and nobody sees it.
                    "state": EVENTS.get(body.get("event", ""), "PENDING"),
                    "html_url": f"{page}/pull/{number}#pullrequestreview-{made}",
                    "submitted_at": at,
                }
            case "comment":
                return 201, {
                    **EXAMPLES["issue-comment-items"][0],
                    "id": made,
                    "body": body["body"],
                    "html_url": f"{page}/issues/{number}#issuecomment-{made}",
                    "created_at": at,
                    "updated_at": at,
                }
            case "issue":
                return 201, {
                    **EXAMPLES["issue-items"][0],
                    "number": made,
                    "title": body["title"],
                    "body": body.get("body"),
                    "html_url": f"{page}/issues/{made}",
                    "created_at": at,
                    "updated_at": at,
                }
            case _:
                return 201, {
                    **EXAMPLES["release-items"][0],
                    "id": made,
                    "tag_name": body["tag_name"],
                    "name": body.get("name"),
                    "body": body.get("body"),
                    "draft": body.get("draft", False),
                    "html_url": f"{page}/releases/tag/untagged-{made}",
                    # Of a draft, its commit's.
                    "created_at": "2013-02-27T19:35:32Z",
                    "published_at": None if body.get("draft") else at,
                }

    def _list(
        self, kind: str, repository: Repository, number: int | None, rest: str, request: web.Request
    ) -> Answer | None:
        made = [
            one
            for one in self.made
            if (one.kind, one.repository, one.number) == (kind, repository.full_name, number)
            and one.listed
        ]
        if kind in {"issue", "release"} and not made:
            return None
        if number is not None:
            repository.items[number]
        items = [one.answer for one in made]
        if since := request.query.get("since"):
            items = [item for item in items if item.get("updated_at", "9") >= since]
        if kind in {"issue", "release"}:
            # The newest first, before all that was there.
            count, part = repository.listed(rest, {})
            items = [*reversed(items), *part(0, count)]
        if kind == "release" and token_of(request) in self.readers:
            items = [item for item in items if not item["draft"]]
        size = min(int(request.query.get("per_page", 30)), 100)
        page = int(request.query.get("page", 1))
        more = {"page": str(page + 1)}
        headers = (
            {"Link": f'<{request.url.update_query(more)}>; rel="next"'}
            if page * size < len(items)
            else {}
        )
        return 200, items[(page - 1) * size : page * size], headers


def token_of(request: web.Request) -> str:
    return request.headers.get("Authorization", "").partition(" ")[2]
