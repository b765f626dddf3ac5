"""Who is logged in: a signed cookie, with a key that follows from the secret that opened it.

The key needs no place of its own: it is the same after a restart and in every replica, and another
secret makes another key, which ends every session. A cookie names nobody and holds no secret; that
the key is derived slowly keeps it from being a test for guesses.
"""

from __future__ import annotations

import asyncio
import base64
import hashlib
import hmac
import json
import secrets
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from aiohttp import web

LASTS = timedelta(hours=12)
"""A working day."""
FLASH_SECONDS = 60
MOST_FLASH = 2_000
"""Bytes of a message that is shown after a redirect; a cookie may have 4 KiB."""
NAME = "lamplighter"
FLASH = "lamplighter-said"


@dataclass(frozen=True, slots=True)
class Session:
    """Somebody who has logged in."""

    id: str
    expires: int
    """Seconds since 1970, by the daemon's clock."""
    key: bytes = field(repr=False)

    @property
    def cookie(self) -> str:
        return f"{self.id}.{self.expires}.{self._sign('session', f'{self.id}.{self.expires}')}"

    @property
    def csrf(self) -> str:
        """What every form of this session carries along."""
        return self._sign("csrf", self.id)

    def is_csrf(self, given: str) -> bool:
        return hmac.compare_digest(given.encode(), self.csrf.encode())

    def sealed(self, message: Mapping[str, Any]) -> str:
        """A message that only this session can open."""
        text = _text(json.dumps(message).encode())
        return f"{text}.{self._sign('flash', f'{self.id}.{text}')}"

    def opened(self, sealed: str) -> Any:
        """What was sealed, or None."""
        if not sealed.isascii():
            return None
        text, _, given = sealed.partition(".")
        signature = self._sign("flash", f"{self.id}.{text}")
        if not hmac.compare_digest(given.encode(), signature.encode()):
            return None
        return json.loads(base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)))

    def _sign(self, purpose: str, text: str) -> str:
        return _text(hmac.digest(self.key, f"{purpose}:{text}".encode(), "sha256"))


SESSION = web.RequestKey("session", Session)


class Sessions:
    """`digests` are those of the secrets that open the pages."""

    def __init__(self, digests: Sequence[bytes], now: Callable[[], datetime]) -> None:
        self._digests = digests
        self._keys: dict[bytes, bytes] = {}
        self._now = now

    async def begin(self, digest: bytes) -> Session:
        """A session for who has just shown the secret of that digest."""
        expires = int((self._now() + LASTS).timestamp())
        return Session(secrets.token_urlsafe(16), expires, await self._key(digest))

    async def of(self, request: web.BaseRequest) -> Session | None:
        """The session of the request's cookie, if it is one of ours and has not ended."""
        for name in (f"__Host-{NAME}", NAME):
            if (cookie := request.cookies.get(name)) and (session := await self._read(cookie)):
                return session
        return None

    async def _read(self, cookie: str) -> Session | None:
        parts = cookie.split(".")
        if len(cookie) > 200 or not cookie.isascii() or len(parts) != 3 or not parts[1].isdigit():
            return None
        for digest in self._digests:
            session = Session(parts[0], int(parts[1]), await self._key(digest))
            if hmac.compare_digest(session.cookie.encode(), cookie.encode()):
                return session if self._now().timestamp() < session.expires else None
        return None

    async def _key(self, digest: bytes) -> bytes:
        if digest not in self._keys:
            # Some 30 ms: not on the loop's thread.
            self._keys[digest] = await asyncio.to_thread(
                lambda: hashlib.scrypt(digest, salt=b"lamplighter session", n=2**14, r=8, p=1)
            )
        return self._keys[digest]


SESSIONS = web.AppKey("sessions", Sessions)


def set_session(response: web.StreamResponse, session: Session, *, secure: bool) -> None:
    response.set_cookie(
        f"__Host-{NAME}" if secure else NAME,
        session.cookie,
        max_age=int(LASTS.total_seconds()),
        path="/",
        httponly=True,
        samesite="Strict",
        secure=secure,
    )


def end_session(response: web.StreamResponse) -> None:
    for name, secure in ((f"__Host-{NAME}", True), (NAME, False), (FLASH, False)):
        response.del_cookie(name, path="/", httponly=True, samesite="Strict", secure=secure)


def _text(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()
