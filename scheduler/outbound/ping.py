"""How is a dead man's switch told, in the protocol of Healthchecks?

By POST to the check's address: as it is for success, with `/start` or `/fail` behind its path, and
`?rid=` for the run. Redirects are answers, not orders.
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Callable, Collection
from enum import StrEnum
from typing import TYPE_CHECKING
from urllib.parse import urlsplit, urlunsplit
from uuid import UUID

from scheduler.outbound.address import AddressError, check_ping, is_public
from scheduler.outbound.resolver import Resolve, checking_resolver, resolve

if TYPE_CHECKING:
    from aiohttp import ClientSession

SECONDS = 5.0
"""For one call, from the name to the answer."""
MOST_ANSWER = 1024


class Signal(StrEnum):
    """What is told; the value is what is put behind the address."""

    START = "/start"
    SUCCESS = ""
    FAIL = "/fail"


class PingError(Exception):
    """The switch was not told; the text says why, and holds neither address nor answer."""

    def __init__(self, message: str, *, again: bool = False) -> None:
        super().__init__(message)
        self.again = again
        """Whether another try may help."""


class Pinger:
    """Opens connections when they are first needed; `close` it."""

    def __init__(
        self,
        hosts: Collection[str] = (),
        *,
        resolve: Resolve = resolve,
        may_reach: Callable[[str], bool] = is_public,
        tls: ssl.SSLContext | None = None,
        seconds: float = SECONDS,
    ) -> None:
        self._hosts = hosts
        self._resolve = resolve
        self._may_reach = may_reach
        self._tls = tls
        self._seconds = seconds
        self._sessions: dict[bool, ClientSession] = {}

    async def ping(
        self, url: str, signal: Signal, run_id: UUID | None = None, body: bytes = b""
    ) -> None:
        """Raises `PingError`."""
        import aiohttp
        from yarl import URL

        try:
            session = self._session(listed=check_ping(url, self._hosts))
            async with session.post(
                URL(address(url, signal, run_id), encoded=True),
                data=body,
                headers={"Content-Type": "text/plain; charset=utf-8"},
                allow_redirects=False,
            ) as response:
                text = await response.content.read(MOST_ANSWER)
                _judge(response.status, text)
        except AddressError as error:
            raise PingError(f"the address {error}") from None
        except TimeoutError:
            raise PingError(f"no answer within {self._seconds:g} s", again=True) from None
        except PermissionError as error:
            raise PingError(str(error.strerror)) from None
        except aiohttp.ClientConnectorError as error:
            if isinstance(error.os_error, PermissionError):
                raise PingError(str(error.os_error.strerror)) from None
            raise PingError("cannot be reached", again=True) from None
        except (aiohttp.ClientError, OSError, ValueError) as error:
            # Their texts may hold the address.
            raise PingError(f"was not told ({type(error).__name__})", again=True) from None

    async def close(self) -> None:
        for session in self._sessions.values():
            await session.close()
        self._sessions.clear()
        # A connection by TLS closes in the next turns of the loop.
        await asyncio.sleep(0)

    def _session(self, *, listed: bool) -> ClientSession:
        import aiohttp

        if listed not in self._sessions:
            may_reach = (lambda _address: True) if listed else self._may_reach
            self._sessions[listed] = aiohttp.ClientSession(
                connector=aiohttp.TCPConnector(
                    resolver=checking_resolver(self._resolve, may_reach),
                    use_dns_cache=False,
                    ssl=self._tls or True,
                    limit_per_host=10,
                ),
                timeout=aiohttp.ClientTimeout(total=self._seconds),
                headers={"User-Agent": "lamplighter"},
                trust_env=False,
                auto_decompress=False,
                cookie_jar=aiohttp.DummyCookieJar(),
            )
        return self._sessions[listed]


def address(url: str, signal: Signal, run_id: UUID | None) -> str:
    """Where `signal` of a run goes."""
    parts = urlsplit(url)
    query = "&".join(
        part for part in (parts.query, f"rid={run_id}" if run_id is not None else "") if part
    )
    return urlunsplit(parts._replace(path=parts.path.rstrip("/") + signal.value, query=query))


def _judge(status: int, text: bytes) -> None:
    """Some services answer 200 to what they did not take. Raises `PingError`."""
    if status == 404 or (status == 200 and b"(not found)" in text):
        raise PingError("there is no check of this address")
    if status == 429 or (status == 200 and b"(rate limited)" in text):
        raise PingError("pinged too often")
    if 300 <= status < 400:
        raise PingError(f"answered {status}: redirects are not followed")
    if not 200 <= status < 300:
        raise PingError(f"answered {status}", again=status >= 500 or status == 408)
