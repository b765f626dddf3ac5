"""How is a webhook called so that it reaches nobody but whom it may?

Only hosts that the operator listed, by https, at addresses of the open internet: the names are
resolved here, every address is looked at, and the connection goes to one of those, so that a name
that changes between the look and the call gains nothing. Redirects are answers, not orders.
"""

from __future__ import annotations

import hashlib
import hmac
import ssl
from collections.abc import Callable, Collection
from datetime import datetime
from types import TracebackType
from typing import TYPE_CHECKING, Self
from uuid import UUID

from pydantic import SecretStr

from scheduler.outbound.address import AddressError, check_url, is_public
from scheduler.outbound.resolver import Resolve, checking_resolver, resolve

if TYPE_CHECKING:
    from aiohttp import ClientSession

SECONDS = 10.0
"""For one call, from the name to the answer."""
MOST_ANSWER = 64 * 1024
"""Bytes of an answer that are read; whoever sends more is cut off and was called well."""


class CallError(Exception):
    """The call was not answered well; the text says how, and holds nothing of the answer."""


class Caller:
    """Makes signed calls. A context manager: leaving it closes the connections."""

    def __init__(
        self,
        hosts: Collection[str],
        key: SecretStr,
        *,
        resolve: Resolve = resolve,
        may_reach: Callable[[str], bool] = is_public,
        tls: ssl.SSLContext | None = None,
        seconds: float = SECONDS,
    ) -> None:
        self._hosts = hosts
        self._key = key
        self._resolve = resolve
        self._may_reach = may_reach
        self._tls = tls
        self._seconds = seconds
        self._session: ClientSession | None = None

    async def __aenter__(self) -> Self:
        import aiohttp

        connector = aiohttp.TCPConnector(
            resolver=checking_resolver(self._resolve, self._may_reach),
            use_dns_cache=False,
            ssl=self._tls or True,
            limit_per_host=10,
        )
        self._session = aiohttp.ClientSession(
            connector=connector,
            timeout=aiohttp.ClientTimeout(total=self._seconds),
            trust_env=False,
            auto_decompress=False,
            cookie_jar=aiohttp.DummyCookieJar(),
        )
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if self._session is not None:
            await self._session.close()

    async def call(self, url: str, body: bytes, call_id: UUID, at: datetime) -> None:
        """Post `body`. Raises `CallError` unless the answer is a 2xx."""
        import aiohttp

        if self._session is None:
            raise RuntimeError("enter the Caller first")
        timestamp = str(int(at.timestamp()))
        headers = {
            "Content-Type": "application/json",
            "User-Agent": "lamplighter",
            "Idempotency-Key": str(call_id),
            "X-Lamplighter-Timestamp": timestamp,
            "X-Lamplighter-Signature": f"v1={signature(self._key, timestamp, body)}",
        }
        try:
            check_url(url, self._hosts)
            async with self._session.post(
                url, data=body, headers=headers, allow_redirects=False
            ) as response:
                await _read(response)
                if not 200 <= response.status < 300:
                    raise CallError(f"answered {response.status}")
        except AddressError as error:
            raise CallError(f"the address {error}") from error
        except TimeoutError as error:
            raise CallError(f"did not answer within {self._seconds:g} s") from error
        except (aiohttp.ClientError, OSError, ValueError) as error:
            raise CallError(str(error)[:300] or type(error).__name__) from error


def signature(key: SecretStr, timestamp: str, body: bytes) -> str:
    """HMAC-SHA256 of `timestamp.body`, in hex."""
    signed = timestamp.encode() + b"." + body
    return hmac.new(key.get_secret_value().encode(), signed, hashlib.sha256).hexdigest()


async def _read(response: object) -> None:
    """Read a short answer to its end, so that the connection serves again; cut off a long one."""
    from aiohttp import ClientResponse

    assert isinstance(response, ClientResponse)  # noqa: S101 - named so late to import late
    left = MOST_ANSWER
    while left > 0:
        part = await response.content.read(min(left, 8192))
        if not part:
            return
        left -= len(part)
    response.close()
