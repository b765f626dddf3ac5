"""What does a newsletter provider do for us? One protocol, whatever its API looks like.

Whoever implements it keeps three promises: nobody who left there is subscribed again, however old
our knowledge is; nobody who was deleted there is made again by an update; and every call can be
made twice.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal, Protocol, TypeAlias

from pydantic import JsonValue

from scheduler.errors import LamplighterError

Departed: TypeAlias = Literal["unsubscribed", "bounced", "complained", "cleaned"]
"""As the product's `newsletter_subscribers.status` names them."""
RemoteStatus: TypeAlias = Literal["active", "pending", "absent", "deleted"] | Departed
"""`pending`: there, but not subscribed (yet). `absent`: there, but not on our list."""
Kind: TypeAlias = Literal["created", "updated", "left", "gone", "refused", "failed"]
"""What became of one address. `gone`: was deleted there. `refused`: will not be taken as it is.
`failed`: not this time."""

DEPARTED: Mapping[str, Departed] = {
    "unsubscribed": "unsubscribed",
    "bounced": "bounced",
    "complained": "complained",
    "cleaned": "cleaned",
}
MOST_NAME = 100
"""Characters of a name, as the product's columns have them."""
CONTROLS = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]+")
ADDRESS = re.compile(
    r"[^\s@\x00-\x1f\x7f<>\"(),:;\\\[\]\ud800-\udfff\ufffd]{1,64}"
    r"@[^\s@\x00-\x20\x7f<>\"(),:;\\\ud800-\udfff\ufffd]{1,190}"
)


class ProviderError(LamplighterError):
    """The provider cannot be worked with now; names provider, operation and what it said."""


class RefusedError(ProviderError):
    """The provider understood the call and will not do it as it is (400, 404, 422)."""

    def __init__(self, message: str, status: int, sentence: str) -> None:
        super().__init__(message)
        self.status = status
        self.sentence = sentence


@dataclass(frozen=True, slots=True)
class Contact:
    """One person, as the provider shall have them."""

    email: str
    """Lower case."""
    first_name: str = ""
    last_name: str = ""
    tier: str = ""
    remote_id: str | None = None
    known: bool = False
    """Whether the provider has them already, by all we know."""
    on_list: bool = True
    """Whether they are on our list there, where they are known."""
    joins: tuple[str, ...] = ()
    """Groups, segments or lists to be put into ..."""
    leaves: tuple[str, ...] = ()
    """... and to be taken out of."""


@dataclass(frozen=True, slots=True)
class Outcome:
    email: str
    kind: Kind
    remote_id: str | None = None
    status: RemoteStatus | None = None
    """What the provider says it is now, where it says so."""
    message: str = ""


@dataclass(frozen=True, slots=True)
class Remote:
    """A contact, as the provider has it."""

    email: str
    remote_id: str
    status: RemoteStatus


Cursor: TypeAlias = dict[str, JsonValue]


@dataclass(frozen=True, slots=True)
class Page:
    contacts: Sequence[Remote]
    cursor: Cursor | None
    """What to go on from, now or at the next sync."""
    more: bool
    resumable: bool = True
    """Whether it is worth going on here after the sync was cut off."""


class Provider(Protocol):
    name: str
    """As in `newsletter_sync_log.provider`."""
    label: str
    """As people write it."""
    audience: str
    """Which list there: what is known of one is not known of another."""
    lot: int
    """How many contacts `push` and `leave` take at once."""
    echoes: bool
    """Whether what was sent comes back as a change, with ids that it had not said before."""

    async def check(self) -> str:
        """One cheap call that proves that the key is valid; what it says for people."""
        ...

    async def changes(self, cursor: Cursor | None, *, full: bool) -> Page:
        """One page of contacts that changed since the cursor, or where `full` of all of them."""
        ...

    async def push(self, contacts: Sequence[Contact]) -> list[Outcome]:
        """Create those who are not known, update those who are."""
        ...

    async def leave(self, contacts: Sequence[Contact]) -> list[Outcome]:
        """Unsubscribe them there."""
        ...


@dataclass(frozen=True, slots=True)
class Happened:
    """What a webhook tells of one address."""

    kind: Literal[
        "unsubscribed", "bounced", "complained", "cleaned", "opened", "clicked", "delivered", "gone"
    ]
    email: str
    event_id: str
    """The same for every delivery of the same event."""
    at: datetime | None = None
    link: str | None = None
    detail: str | None = None


def plain(text: object, most: int = MOST_NAME) -> str:
    """A name as one line of bounded length."""
    return CONTROLS.sub(" ", text)[:most].strip() if isinstance(text, str) else ""


def is_address(email: str) -> bool:
    """Whether it is worth sending to a provider, who will look more closely."""
    return len(email) <= 254 and ADDRESS.fullmatch(email) is not None
