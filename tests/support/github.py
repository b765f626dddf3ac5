"""A GitHub for tests: made repositories in the form of GitHub's own examples, and misfortunes.

It knows tags (304), pages by `Link`, limits of both kinds, moved, missing and blocked repositories,
errors of its own, cut connections and slow bodies; and it writes down who asked for what.
"""

from __future__ import annotations

import asyncio
import base64
import hashlib
import json
import re
from collections import Counter
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from time import time
from typing import Any
from urllib.parse import urlencode

from aiohttp import web

from tests.support.github_repository import Repository
from tests.support.github_writing import Writes

EXAMPLES: Mapping[str, Any] = json.loads(
    (Path(__file__).parent.parent / "fixtures" / "github" / "examples.json").read_text("utf-8")
)


@dataclass(frozen=True)
class Asked:
    """One request as it came in, with its answer's status."""

    method: str
    path: str
    token: str
    headers: Mapping[str, str]
    status: int


@dataclass
class Misfortune:
    """What becomes of a request instead of an answer."""

    status: int = 500
    headers: Mapping[str, str] = field(default_factory=dict)
    body: str = '{"message": "made up"}'
    cut: bool = False
    """The connection is cut in the middle of the body."""
    slow: float = 0
    """Seconds between the halves of the body."""


@dataclass
class GitHubDouble:
    repositories: dict[str, Repository] = field(default_factory=dict)
    """By full name."""
    tokens: set[str] = field(default_factory=lambda: {"token-of-tests"})
    limit: int = 1_000_000
    """Requests a token may make until `reset_in`; 304 is free."""
    reset_in: float = 3600
    misfortune: Callable[[web.Request], Misfortune | None] = lambda request: None
    moved: dict[str, str] = field(default_factory=dict)
    """Old full name to the new one."""
    blocked: set[str] = field(default_factory=set)
    elsewhere: str | None = None
    """Where `/elsewhere` redirects to."""
    app_key: str | None = None
    """The public key of the App, PEM."""
    token_life: timedelta = timedelta(hours=1)
    asked: list[Asked] = field(default_factory=list)
    written: list[Any] = field(default_factory=list)
    writes: Writes = field(default_factory=Writes)
    now: Callable[[], datetime] = lambda: datetime.now(UTC)
    url: str = ""

    def __post_init__(self) -> None:
        self._used: Counter[str] = Counter()

    def add(self, repository: Repository) -> Repository:
        self.repositories[repository.full_name] = repository
        return repository

    def statuses(self) -> Counter[int]:
        return Counter(one.status for one in self.asked)

    def least(self, made: Repository, *, commit_details: int) -> int:
        """Requests without which all of it cannot be read: full pages, and two a pull request."""
        pulls = sum(item.is_pull for item in made.items.values())
        lists = (
            len(made.items),
            pulls,
            len(made.comments),
            len(made.review_comments),
            len(made.releases),
            len(made.milestones),
            len(made.labels),
            len(made.walk(made.head or "")),
        )
        of_lists = sum(max((size + 99) // 100, 1) for size in lists)
        trees_and_blobs = 2 + sum(not path.endswith(".py") for path in made.files)
        return 1 + of_lists + 2 * pulls + commit_details + trees_and_blobs

    def forget(self) -> None:
        self.asked.clear()
        self._used.clear()

    async def handle(self, request: web.Request) -> web.StreamResponse:
        token = request.headers.get("Authorization", "").partition(" ")[2]
        response = await self._answer(request, token)
        self.asked.append(
            Asked(
                request.method,
                request.path_qs,
                token,
                {name.lower(): value for name, value in request.headers.items()},
                response.status,
            )
        )
        if request.method == "POST" and self.writes.cut() and request.transport is not None:
            request.transport.abort()
        return response

    async def _answer(self, request: web.Request, token: str) -> web.StreamResponse:
        fate = self.misfortune(request)
        if fate is not None:
            return await self._fail(request, fate)
        if request.path.startswith("/app") or request.path.endswith("/installation"):
            return self._app(request, token)
        if token not in self.tokens:
            return web.json_response({"message": "Bad credentials"}, status=401)
        if request.path == "/rate_limit":
            core = {"limit": self.limit, "remaining": self.limit - self._used[token]}
            return web.json_response({"resources": {"core": core}})
        if self._used[token] >= self.limit:
            return web.json_response(
                {"message": "API rate limit exceeded for user ID 1."},
                status=403,
                headers=self._quota(token),
            )
        if request.method != "GET":
            self.written.append(await request.json())
        try:
            status, data, headers = self._find(request)
        except KeyError:
            status, data, headers = 404, {"message": "Not Found"}, {}
        body = json.dumps(data).encode()
        tag = f'W/"{hashlib.sha256(token.encode() + body).hexdigest()}"'
        if status == 200 and request.headers.get("If-None-Match") == tag:
            return web.Response(status=304, headers={**self._quota(token), "ETag": tag})
        self._used[token] += 1
        return web.Response(
            status=status,
            body=body,
            content_type="application/json",
            headers={**self._quota(token), **headers, **({"ETag": tag} if status == 200 else {})},
        )

    def _quota(self, token: str) -> dict[str, str]:
        return {
            "X-RateLimit-Limit": str(self.limit),
            "X-RateLimit-Remaining": str(max(self.limit - self._used[token], 0)),
            "X-RateLimit-Reset": str(int(time() + self.reset_in)),
            "X-RateLimit-Resource": "core",
        }

    async def _fail(self, request: web.Request, fate: Misfortune) -> web.StreamResponse:
        if not fate.cut and not fate.slow:
            return web.Response(
                status=fate.status,
                text=fate.body,
                content_type="application/json",
                headers=fate.headers,
            )
        response = web.StreamResponse(status=200, headers={"Content-Type": "application/json"})
        response.content_length = 1000
        await response.prepare(request)
        await response.write(b'[{"half":')
        if fate.slow:
            await asyncio.sleep(fate.slow)
        assert request.transport is not None
        request.transport.abort()
        return response

    def _find(self, request: web.Request) -> tuple[int, Any, dict[str, str]]:
        """Raises `KeyError` for what is not there."""
        path = request.path
        if path == "/elsewhere" and self.elsewhere:
            return 302, {}, {"Location": self.elsewhere}
        if found := re.fullmatch(r"/repositories/(\d+)(/.*)?", path):
            by_id = {one.id: one for one in self.repositories.values()}
            repository = by_id[int(found[1])]
            rest = found[2] or ""
        elif found := re.fullmatch(r"/repos/([^/]+/[^/]+)(/.*)?", path):
            name, rest = found[1], found[2] or ""
            if name in self.moved:
                target = self.repositories[self.moved[name]]
                query = f"?{request.query_string}" if request.query_string else ""
                where = f"{self.url}/repositories/{target.id}{rest}{query}"
                return 301, {"message": "Moved Permanently", "url": where}, {"Location": where}
            if name in self.blocked:
                return 451, {"message": "Repository access blocked"}, {}
            repository = self.repositories[name]
        else:
            raise KeyError(path)
        return self._of(repository, rest, request)

    def _of(
        self, repository: Repository, rest: str, request: web.Request
    ) -> tuple[int, Any, dict[str, str]]:
        query = request.query
        written = self.writes.answer(
            repository, rest, request, self.written[-1] if self.written else None
        )
        if written is not None:
            return written
        if rest == "":
            return 200, repository.itself(), {}
        if found := re.fullmatch(r"/issues/(\d+)", rest):
            number = int(found[1])
            if number in repository.transferred:
                to = f"{self.url}{repository.transferred[number]}"
                return 301, {"message": "Moved Permanently"}, {"Location": to}
            if number in repository.deleted:
                return 410, {"message": "This issue was deleted"}, {}
            return 200, repository.issue(repository.items[number]), {}
        if found := re.fullmatch(r"/pulls/(\d+)", rest):
            return 200, repository.pull(repository.items[int(found[1])]), {}
        if found := re.fullmatch(r"/commits/([0-9a-f]{40})", rest):
            return 200, repository.single_commit(found[1]), {}
        if found := re.fullmatch(r"/git/trees/([0-9a-f]{40})", rest):
            return 200, repository.tree(found[1], recursive="recursive" in query), {}
        if found := re.fullmatch(r"/git/blobs/([0-9a-f]{40})", rest):
            text = repository.blobs[found[1]]
            content = base64.b64encode(text).decode()
            return 200, {**EXAMPLES["blob"], "content": content, "size": len(text)}, {}
        if request.method != "GET":
            return 201, {"id": 1}, {}
        if rest == "/commits" and repository.head is None:
            return 409, {"message": "Git Repository is empty."}, {}
        return self._page(repository.listed(rest, query), request)

    def _page(
        self, listed: tuple[int, Callable[[int, int], list[Any]]], request: web.Request
    ) -> tuple[int, Any, dict[str, str]]:
        count, part = listed
        size = min(int(request.query.get("per_page", 30)), 100)
        page = max(int(request.query.get("page", 1)), 1)
        last = max((count + size - 1) // size, 1)
        headers = {}
        if page < last:

            def link(number: int) -> str:
                return f"{self.url}{request.path}?{urlencode({**request.query, 'page': number})}"

            headers["Link"] = f'<{link(page + 1)}>; rel="next", <{link(last)}>; rel="last"'
        return 200, part((page - 1) * size, min(page * size, count)), headers

    def _app(self, request: web.Request, token: str) -> web.Response:
        import jwt

        try:
            jwt.decode(token, self.app_key or "", algorithms=["RS256"], issuer="12345")
        except jwt.PyJWTError:
            return web.json_response({"message": "A JSON web token is needed"}, status=401)
        if request.path == "/app":
            return web.json_response({"id": 1, "slug": "lamplighter"})
        if request.path.endswith("/installation"):
            return web.json_response({**EXAMPLES["installation"], "id": 77})
        if request.path != "/app/installations/77/access_tokens":
            return web.json_response({"message": "Not Found"}, status=404)
        made = f"ghs_made{len(self.tokens)}"
        self.tokens.add(made)
        ends = (self.now() + self.token_life).strftime("%Y-%m-%dT%H:%M:%SZ")
        return web.json_response(
            {**EXAMPLES["installation-token"], "token": made, "expires_at": ends}, status=201
        )


@asynccontextmanager
async def github_double(**options: Any) -> AsyncIterator[GitHubDouble]:
    """A double on a free port of loopback; its address is its `url`."""
    double = GitHubDouble(**options)
    app = web.Application()
    app.router.add_route("*", "/{tail:.*}", double.handle)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    port = runner.addresses[0][1]
    double.url = f"http://127.0.0.1:{port}"
    try:
        yield double
    finally:
        await runner.cleanup()
