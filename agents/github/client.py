"""How is GitHub asked: one request after the other through here, bounded in every way.

The only module that knows gidgethub. That reads and writes GitHub's headers and bodies; what it
leaves to its caller is here: limits and waits, retries, redirects, sizes, and that a token never
goes anywhere but to GitHub's own address.
"""

from __future__ import annotations

import asyncio
import json
import random
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any, Literal, Self
from urllib.parse import urljoin, urlsplit

import aiohttp
from yarl import URL

from agents.github.errors import (
    GitHubError,
    LimitedError,
    RefusedError,
    SpentError,
    TokenError,
    TooLargeError,
    UnreachableError,
    refused,
)
from agents.github.limits import Limits
from agents.github.terms import Answer, Budget, Credential, Pace
from scheduler.job import Logger
from scheduler.meter import Meter, Service
from scheduler.services import GitHub

API_VERSION = "2022-11-28"
ACCEPT = "application/vnd.github+json"
NAME = "lamplighter"
MOST_BYTES = 32 << 20
"""Read of one answer. Lists mostly have some 2 MiB; of a hundred issues whose texts a stranger has
made as long as GitHub takes them (256 KiB) it is 26."""
ONE_REQUEST = 60.0
"""Seconds from the first byte sent to the last received."""
CONNECT = 10.0
LIMIT_TRIES = 5
"""Answers in a row that a limit refuses, before the rest is left to a later run."""
HOPS = 3
MARGIN = 5.0
"""Seconds of the run's time that a wait leaves for what comes after it."""
WRITE_PAUSE = 1.0
"""Seconds between writes that others see, as GitHub asks for."""
REDIRECTS = frozenset({301, 302, 307, 308})


@dataclass
class GitHubClient:
    """A session with GitHub, for one run. Use it as `async with`."""

    github: GitHub
    log: Logger
    pace: Pace = field(default_factory=Pace)
    meter: Meter = field(default_factory=Meter)

    def __post_init__(self) -> None:
        self.limits: dict[str, Limits] = {}
        """By token's hash."""
        self.made = self.unchanged = 0
        """Requests; of them, answered 304."""
        self._base = self.github.api_url
        self._origin = origin_of(self._base)
        self._room = asyncio.Semaphore(self.pace.concurrent)
        self._writing = asyncio.Lock()
        self._invalid: set[str] = set()
        """Hashes of tokens that GitHub does not know: who goes on with those is shut out."""

    async def __aenter__(self) -> Self:
        self._session = aiohttp.ClientSession(
            timeout=aiohttp.ClientTimeout(
                total=ONE_REQUEST, connect=CONNECT, sock_read=self.pace.silence
            ),
            connector=aiohttp.TCPConnector(limit=self.pace.concurrent),
            cookie_jar=aiohttp.DummyCookieJar(),
            auto_decompress=True,
        )
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self._session.close()

    async def read(
        self, path: str, credential: Credential, budget: Budget, etag: str | None = None
    ) -> Answer:
        """GET; follows redirects within GitHub's own address.

        Raises `GitHubError`. With `etag`, the answer may be that nothing has changed.
        """
        extra = {"if-none-match": etag} if etag else {}
        moved = False
        for _ in range(HOPS + 1):
            status, headers, body = await self._send("GET", path, credential, budget, extra, None)
            if status not in REDIRECTS:
                if status == 304:
                    budget.unchanged += 1
                    self.unchanged += 1
                    return Answer(304, None, None, etag, moved)
                return self._answer(status, headers, body, moved=moved)
            path = self._inside(headers.get("location", ""), path)
            moved = moved or status in {301, 308}
        raise GitHubError("GitHub sends from one address to the next without end")

    async def write(
        self,
        method: Literal["POST", "PATCH", "PUT", "DELETE"],
        path: str,
        credential: Credential,
        budget: Budget,
        data: Mapping[str, Any],
        pause: float = WRITE_PAUSE,
    ) -> Answer:
        """Change something. Never sent twice, and never to where GitHub would redirect it.

        Raises `GitHubError`; after `UnreachableError` it is not known whether it was done.
        """
        async with self._writing:
            status, headers, body = await self._send(
                method, path, credential, budget, {"content-type": "application/json"}, data
            )
            await self.pace.sleep(pause)
        if status in REDIRECTS:
            raise RefusedError(status, "the repository has moved: nothing was written")
        return self._answer(status, headers, body, moved=False)

    async def _send(
        self,
        method: str,
        path: str,
        credential: Credential,
        budget: Budget,
        extra: Mapping[str, str],
        data: Mapping[str, Any] | None,
    ) -> tuple[int, dict[str, str], bytes]:
        """One request with all its tries. Raises `GitHubError`."""
        failures = limited = 0
        tries = self.pace.tries if method == "GET" else 1
        while True:
            if self.pace.seconds_left() < MARGIN:
                raise SpentError("this run's time is nearly over")
            token = await credential.token()
            token_hash = credential.hash
            limits = self.limits.setdefault(token_hash, Limits())
            await self._wait_for(limits)
            async with self._room:
                if limits.free_at > self.pace.clock():
                    continue  # another request has met the limit meanwhile
                if token_hash in self._invalid:
                    raise refused(401, {})
                budget.spend()
                self.made += 1
                try:
                    status, headers, body = await self._exchange(method, path, token, extra, data)
                except (aiohttp.ClientError, OSError, TimeoutError) as error:
                    status, headers, body = 0, {}, b""
                    why = type(error).__name__
                    self.meter.ended(Service.GITHUB, None)
                else:
                    why = f"status {status}"
                    is_limited = limits.note(status, headers, body, self.pace.clock())
                    self.meter.ended(Service.GITHUB, status, limited=is_limited)
                    if is_limited:
                        limited += 1
                        if limited >= LIMIT_TRIES:
                            raise LimitedError("GitHub keeps refusing requests of this token")
                        continue
            if status == 401:
                self._invalid.add(token_hash)
            if 0 < status < 500:
                return status, headers, body
            failures += 1
            if failures >= tries:
                raise UnreachableError(f"GitHub does not answer ({why}, {failures} tries)")
            self.log.debug("github_retry", path=path.partition("?")[0], why=why, tries=failures)
            wait = self.pace.backoff * 2 ** (failures - 1) * (1 + random.random())  # noqa: S311
            if wait > self.pace.seconds_left() - MARGIN:
                raise UnreachableError(f"GitHub does not answer ({why})")
            await self.pace.sleep(wait)

    async def _exchange(
        self,
        method: str,
        path: str,
        token: str,
        extra: Mapping[str, str],
        data: Mapping[str, Any] | None,
    ) -> tuple[int, dict[str, str], bytes]:
        url = self._base + path
        if origin_of(url) != self._origin:  # the last thing before a token leaves
            raise GitHubError("an address outside of GitHub's API was not asked")
        async with (
            asyncio.timeout(min(ONE_REQUEST, max(self.pace.seconds_left(), 0))),
            self._session.request(
                method,
                URL(url, encoded=True),
                headers=_headers(token, extra),
                data=None if data is None else json.dumps(data).encode(),
                allow_redirects=False,
            ) as response,
        ):
            body = bytearray()
            async for chunk in response.content.iter_chunked(1 << 16):
                body += chunk
                if len(body) > MOST_BYTES:
                    raise TooLargeError(f"an answer of GitHub has over {MOST_BYTES >> 20} MiB")
            return (
                response.status,
                {name.lower(): value for name, value in response.headers.items()},
                bytes(body),
            )

    def _answer(
        self, status: int, headers: Mapping[str, str], body: bytes, *, moved: bool
    ) -> Answer:
        import gidgethub
        from gidgethub import sansio

        try:
            # Without the limits: those are read above, and odd ones would make it fail.
            known = {name: headers[name] for name in ("content-type", "link") if name in headers}
            data, _, following = sansio.decipher_response(status, known, body)
        except gidgethub.HTTPException:
            raise refused(status, headers) from None
        except (ValueError, TypeError, LookupError, RecursionError):
            if status >= 400:
                raise refused(status, headers) from None
            raise GitHubError("GitHub's answer is not JSON") from None
        return Answer(
            status, data, self._inside(following) if following else None, etag_of(headers), moved
        )

    def _inside(self, named: str, at: str = "/") -> str:
        """An address that GitHub names, as a path below our own base."""
        base = urlsplit(self._base)
        outside = GitHubError("GitHub names an address outside of its API; it was not followed")
        try:
            url = urljoin(self._base + at, named)
            parts, origin = urlsplit(url), origin_of(url)
        except ValueError:  # no address at all
            raise outside from None
        if origin != self._origin or not parts.path.startswith(f"{base.path}/"):
            raise outside
        path = parts.path[len(base.path) :]
        return f"{path}?{parts.query}" if parts.query else path

    async def _wait_for(self, limits: Limits) -> None:
        wait = limits.free_at - self.pace.clock()
        if wait <= 0:
            return
        if wait > self.pace.most_wait:
            raise LimitedError(f"GitHub's limit holds for {wait / 60:.0f} min more")
        if wait > self.pace.seconds_left() - MARGIN:
            raise LimitedError("GitHub's limit holds for longer than this run")
        self.log.info("github_limit_waited_for", seconds=round(wait))
        await self.pace.sleep(wait)


def etag_of(headers: Mapping[str, str]) -> str | None:
    """A tag that can be kept, and sent again as it came."""
    etag = headers.get("etag", "")
    return etag if etag.isascii() and etag.isprintable() and 0 < len(etag) <= 200 else None


def origin_of(url: str) -> tuple[str, str | None, int | None]:
    parts = urlsplit(url)
    port = parts.port or {"http": 80, "https": 443}.get(parts.scheme)
    return parts.scheme, parts.hostname, port


def app_token(app_id: str, private_key: str) -> str:
    """What a GitHub App proves itself with for ten minutes. Raises `TokenError` for a bad key."""
    from gidgethub import apps

    try:
        # Where a value has only one line, as in .env, the key's own are written so.
        return apps.get_jwt(app_id=app_id, private_key=private_key.replace("\\n", "\n"))
    except Exception:  # noqa: BLE001 - whatever cryptography says of a key may show it
        raise TokenError("GITHUB_APP_PRIVATE_KEY is not the PEM of an RSA key") from None


def _headers(token: str, extra: Mapping[str, str]) -> dict[str, str]:
    from gidgethub import sansio

    # As a bearer, which GitHub takes of every kind; an App's own proof it takes only so.
    return {
        **sansio.create_headers(NAME, accept=ACCEPT, jwt=token),
        "x-github-api-version": API_VERSION,
        **extra,
    }
