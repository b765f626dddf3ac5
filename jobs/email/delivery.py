"""What came of handing a message over: for it, for its address, or for the whole outbox."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol, TypeAlias

from jobs.email.message import Ready
from scheduler.errors import JobError

ENHANCED = re.compile(r"[245]\.(\d{1,3}\.\d{1,3})\b", re.ASCII)
NO_SUCH_ADDRESS = frozenset({"1.1", "1.2", "1.3", "1.6", "1.10"})
"""Of enhanced codes: the mailbox or its domain is not there, is no address, has moved or takes no
mail. Whatever else is refused for ever says nothing about the address."""
POLICY = "7."
"""Of enhanced codes: we may not, or not so. That is not the reader's fault."""
MOST_SAID = 500


@dataclass(frozen=True, slots=True)
class Answer:
    """What the server said."""

    code: int
    text: str

    @property
    def enhanced(self) -> str | None:
        """`1.1` of `5.1.1`."""
        found = ENHANCED.match(self.text)
        return found[1] if found else None

    @property
    def is_final(self) -> bool:
        """Never, and not only not now. Codes that SMTP does not know say nothing."""
        return 500 <= self.code < 600

    @property
    def is_nonsense(self) -> bool:
        return not 200 <= self.code < 600

    @property
    def is_ours(self) -> bool:
        return self.is_final and (self.enhanced or "").startswith(POLICY)

    @property
    def is_bounce(self) -> bool:
        return self.is_final and self.enhanced in NO_SUCH_ADDRESS

    @property
    def short(self) -> str:
        """Without the server's words: `550 5.1.1`."""
        return (
            f"{self.code} {self.code // 100}.{self.enhanced}" if self.enhanced else str(self.code)
        )

    def __str__(self) -> str:
        text = "".join(char if char.isprintable() else " " for char in self.text)
        return f"{self.code} {' '.join(text.split())}"[:MOST_SAID]


@dataclass(frozen=True, slots=True)
class Sent:
    """The server has taken it."""

    answer: Answer
    refused: Mapping[str, Answer] = field(default_factory=dict)
    """Those of cc and bcc to whom it does not go."""


@dataclass(frozen=True, slots=True)
class Deferred:
    """Not now."""

    why: str
    answer: Answer | None = None
    unclear: bool = False
    """Whether the server may have taken it all the same."""


@dataclass(frozen=True, slots=True)
class Refused:
    """Never: this message. With `bounced`, nothing else to this address either."""

    answer: Answer
    bounced: bool = False


Delivery: TypeAlias = Sent | Deferred | Refused


class Trouble(JobError):
    """Ours: the server would treat every message so, or cannot be reached. Nothing is sent until
    it is over. The text is for all to see: without names, secrets and the server's words.
    """

    def __init__(self, reason: str, said: str = "") -> None:
        super().__init__(reason)
        self.said = said
        """What exactly happened, for the log."""


class Channel(Protocol):
    """A way out. One caller at a time."""

    async def open(self) -> None:
        """Be ready to deliver. Raises `Trouble`."""
        ...

    async def deliver(self, ready: Ready) -> Delivery:
        """Hand a message over. Raises `Trouble`; then nobody got it."""
        ...

    async def close(self) -> None: ...
