"""The link in a message by which somebody leaves: who is meant, signed, good for ever.

The key is UNSUBSCRIBE_KEY, or one that is made once and kept in the database; no other secret's
rotation touches it. A link that the kept key signed stays good when UNSUBSCRIBE_KEY is set later.
"""

from __future__ import annotations

import binascii
import hmac
import secrets
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from scheduler.job import Connection
from scheduler.services import Mail
from scheduler.sql import load_sql

sql = load_sql(__file__)

KEY = "unsubscribe"
VERSION = b"\x01"
SIGNATURE = 16
"""Bytes of the HMAC: nobody guesses 128 bits, and links stay short."""


@dataclass(frozen=True, slots=True)
class Reader:
    """Who a link is for, and what it was sent with."""

    subscriber: UUID
    sequence: UUID | None


class Links:
    """Makes links and reads them. The first of `keys` signs, each of them verifies."""

    def __init__(self, base: str, keys: Sequence[bytes]) -> None:
        self._base = base
        self._keys = keys

    def to(self, reader: Reader) -> str:
        payload = VERSION + reader.subscriber.bytes
        if reader.sequence is not None:
            payload += reader.sequence.bytes
        token = urlsafe_b64encode(payload + _sign(self._keys[0], payload)).rstrip(b"=").decode()
        return f"{self._base}/unsubscribe/{token}"

    def read(self, token: str) -> Reader | None:
        """None where we did not sign it."""
        try:
            whole = urlsafe_b64decode(token.encode("ascii") + b"=" * (-len(token) % 4))
        except (UnicodeEncodeError, binascii.Error):
            return None
        payload, signature = whole[:-SIGNATURE], whole[-SIGNATURE:]
        if len(payload) not in {17, 33} or payload[:1] != VERSION:
            return None
        if not any(hmac.compare_digest(_sign(key, payload), signature) for key in self._keys):
            return None
        sequence = UUID(bytes=payload[17:]) if len(payload) == 33 else None
        return Reader(UUID(bytes=payload[1:17]), sequence)


def _sign(key: bytes, payload: bytes) -> bytes:
    return hmac.digest(key, b"unsubscribe:" + payload, "sha256")[:SIGNATURE]


async def open_links(connection: Connection, mail: Mail, now: datetime) -> Links:
    """The links of this daemon; makes the key where there is none yet."""
    kept: str | None = await sql.key(connection, name=KEY)
    keys = []
    if mail.unsubscribe_key is not None:
        keys.append(mail.unsubscribe_key.get_secret_value().encode())
    elif kept is None:
        # Of several processes that make one at once, the first one's stays.
        value = secrets.token_urlsafe(32)
        await sql.keep_key(connection, name=KEY, value=value, now=now)
        kept = await sql.key(connection, name=KEY)
    if kept is not None:
        keys.append(kept.encode())
    return Links(mail.public_url or mail.local_url, keys)
