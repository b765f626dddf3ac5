"""How is a provider's API called? With patience, within bounds, and without showing the key.

Transport errors, 408, 429 and 5xx are tried again, as the provider asks (`Retry-After`); the run's
own time ends all waiting. Redirects are not followed: they would take the key along.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from typing import Any
from urllib.parse import urlsplit

import aiohttp

from jobs.newsletter.limits import Limiter
from jobs.newsletter.provider import ProviderError, RefusedError, plain
from jobs.newsletter.reading import read_json

TIMEOUT = aiohttp.ClientTimeout(total=120, connect=10, sock_read=60)
TRIES = 4
"""For what may be over in a moment: the network, 5xx."""
FIRST_WAIT = 0.5
MOST_REFUSALS_FOR_RATE = 30
"""429s in a row for one call."""
DEFAULT_RATE_WAIT = 5.0
MOST_WAIT = 300.0
"""Seconds; who asks for more is left for the next run."""
MOST_POLLING = 1800.0
MOST_ANSWER = 16 << 20
"""Bytes of an answer, unpacked: a page of 1,000 contacts is under one MiB."""
MOST_SENTENCE = 300
PASSING = frozenset({408, 500, 502, 503, 504, 520, 521, 522, 523, 524, 529})


@dataclass(frozen=True, slots=True)
class Answer:
    status: int
    data: Any
    """The JSON; None for an empty body."""
    headers: Mapping[str, str]


class Api:
    """One provider's API, for one run."""

    def __init__(
        self,
        session: aiohttp.ClientSession,
        *,
        label: str,
        url: str,
        setting: str,
        headers: Mapping[str, str],
        secret: str,
        limiter: Limiter,
        limit_header: str | None = None,
        reset_header: str | None = None,
        sentence: Callable[[Any], object],
    ) -> None:
        self.label = label
        self.url = url
        self._session = session
        self._setting = setting
        self._headers = {"Accept": "application/json", **headers}
        self._secret = secret
        self._limiter = limiter
        self._limit_header = limit_header
        self._reset_header = reset_header
        self._sentence = sentence

    async def call(
        self,
        operation: str,
        method: str,
        path: str,
        *,
        params: Mapping[str, str] | None = None,
        body: object = None,
    ) -> Answer:
        """The answer, where the status is 2xx.

        Raises `RefusedError` for 400, 404 and 422, and `ProviderError` for whatever else is wrong.
        """
        data = None if body is None else json.dumps(body).encode()
        failures = rate_limited = 0
        while True:
            try:
                async with self._limiter.place():
                    answer, raw = await self._once(operation, method, path, params, data)
            except (aiohttp.ClientError, TimeoutError) as error:
                failures += 1
                if failures >= TRIES:
                    raise self._error(operation, f"cannot be reached: {_words(error)}") from error
                await asyncio.sleep(FIRST_WAIT * 2 ** (failures - 1))
                continue
            self._heed_limit(answer)
            if 200 <= answer.status < 300:
                return Answer(answer.status, self._json(operation, raw), answer.headers)
            if answer.status == 429:
                rate_limited += 1
                wait = self.asked_wait(answer.headers, self._reset_header)
                if wait is None:
                    wait = DEFAULT_RATE_WAIT
                if wait > MOST_WAIT or rate_limited >= MOST_REFUSALS_FOR_RATE:
                    raise self._error(operation, f"asks to wait for {wait:.0f} s", answer, raw)
                await asyncio.sleep(wait)
            elif answer.status in PASSING and failures + 1 < TRIES:
                wait = self.asked_wait(answer.headers)
                if wait is None:
                    wait = FIRST_WAIT * 2**failures
                failures += 1
                await asyncio.sleep(min(wait, MOST_WAIT))
            else:
                raise self._refusal(operation, answer, raw)

    async def download(self, operation: str, url: str) -> bytes:
        """A file that the API points to, asked for without the key."""
        if urlsplit(url).scheme != urlsplit(self.url).scheme:
            raise self._error(operation, "points to an address of another scheme")
        for attempt in range(1, TRIES + 1):
            try:
                async with self._session.get(url, allow_redirects=False, timeout=TIMEOUT) as got:
                    if got.status == 200:
                        return await self._read(operation, got)
                    if got.status not in PASSING or attempt == TRIES:
                        raise self._error(operation, f"the results' address answers {got.status}")
            except (aiohttp.ClientError, TimeoutError) as error:
                if attempt == TRIES:
                    raise self._error(operation, f"no results: {_words(error)}") from error
            await asyncio.sleep(FIRST_WAIT * 2 ** (attempt - 1))
        raise AssertionError("the last attempt returns or raises")

    async def poll(
        self, operation: str, path: str, done: Callable[[Any], bool], *, most_wait: float
    ) -> Any:
        """Ask until `done`, less and less often, or as often as the answer says."""
        wait, waited = 1.0, 0.0
        while True:
            answer = await self.call(operation, "GET", path)
            if done(answer.data):
                return answer.data
            asked = self.asked_wait(answer.headers)
            pause = min(wait if asked is None else asked, MOST_WAIT)
            waited += max(pause, 0.01)
            if waited > MOST_POLLING:
                raise self._error(operation, f"is not through after {MOST_POLLING / 60:.0f} min")
            await asyncio.sleep(pause)
            wait = min(wait * 2, most_wait)

    def same_origin(self, operation: str, url: str) -> str:
        """The path of an address that the API gave, if the key may go there."""
        here, there = urlsplit(self.url), urlsplit(url)
        if (here.scheme, here.netloc) != (there.scheme, there.netloc):
            raise self._error(operation, "points to another host")
        return there.path + (f"?{there.query}" if there.query else "")

    def unexpected(self, operation: str, what: str) -> ProviderError:
        return self._error(operation, f"answered with {what}")

    @staticmethod
    def asked_wait(headers: Mapping[str, str], reset: str | None = None) -> float | None:
        """What `Retry-After` (seconds or a date) or the limit's reset asks for."""
        for name in ("Retry-After", reset):
            value = headers.get(name) if name else None
            if value is None:
                continue
            try:
                return max(float(value), 0.0)
            except ValueError:
                pass
            try:
                until, sent = parsedate_to_datetime(value), headers.get("Date")
                since = parsedate_to_datetime(sent) if sent else None
            except ValueError:
                continue
            if since is not None:
                return max((until - since).total_seconds(), 0.0)
        return None

    async def _once(
        self,
        operation: str,
        method: str,
        path: str,
        params: Mapping[str, str] | None,
        data: bytes | None,
    ) -> tuple[Answer, bytes]:
        headers = self._headers | ({"Content-Type": "application/json"} if data else {})
        async with self._session.request(
            method,
            self.url + path,
            params=params,
            data=data,
            headers=headers,
            allow_redirects=False,
            timeout=TIMEOUT,
        ) as got:
            raw = await self._read(operation, got)
            return Answer(got.status, None, got.headers), raw

    async def _read(self, operation: str, got: aiohttp.ClientResponse) -> bytes:
        raw = bytearray()
        async for chunk in got.content.iter_chunked(1 << 16):
            raw += chunk
            if len(raw) > MOST_ANSWER:
                raise self._error(operation, f"answers with more than {MOST_ANSWER >> 20} MiB")
        return bytes(raw)

    def _heed_limit(self, answer: Answer) -> None:
        limit = answer.headers.get(self._limit_header) if self._limit_header else None
        if limit and limit.isdecimal():
            self._limiter.allow(int(limit))

    def _json(self, operation: str, raw: bytes) -> Any:
        if not raw:
            return None
        try:
            return read_json(raw)
        except (ValueError, RecursionError) as error:
            raise self._error(operation, "answered with something that is not JSON") from error

    def _refusal(self, operation: str, answer: Answer, raw: bytes) -> ProviderError:
        if 300 <= answer.status < 400:
            return self._error(
                operation, f"redirects elsewhere ({answer.status}); correct {self._setting}"
            )
        error = self._error(operation, "refused", answer, raw)
        if answer.status in {400, 404, 422}:
            return RefusedError(str(error), answer.status, self._said(raw) or "refused")
        return error

    def _said(self, raw: bytes) -> str:
        """The provider's own sentence, bounded, on one line, without the key."""
        try:
            said = self._sentence(read_json(raw))
        except (ValueError, RecursionError, LookupError, TypeError, AttributeError):
            return ""
        return plain(said, 2000).replace(self._secret, "***")[:MOST_SENTENCE]

    def _error(
        self, operation: str, what: str, answer: Answer | None = None, raw: bytes = b""
    ) -> ProviderError:
        status = f" ({answer.status})" if answer else ""
        said = f": {sentence}" if (sentence := self._said(raw)) else ""
        return ProviderError(f"{self.label}: {operation}: {what}{status}{said}")


def _words(error: BaseException) -> str:
    if isinstance(error, TimeoutError):
        return "no answer in time"
    return plain(str(error), MOST_SENTENCE) or type(error).__name__


def new_session() -> aiohttp.ClientSession:
    """A session that keeps no cookies and reads no proxy from the environment."""
    return aiohttp.ClientSession(
        cookie_jar=aiohttp.DummyCookieJar(),
        headers={"User-Agent": "lamplighter"},
        connector=aiohttp.TCPConnector(limit=16),
        max_line_size=16 << 10,
    )
