"""What may be read in logs, and in what is kept of runs? Everything but secrets and addresses.

The secrets of the settings are known and are found wherever and however they are written; others
are told by their shape, or by the name that stands before them.
"""

from __future__ import annotations

import json
import re
from base64 import b64encode, urlsafe_b64encode
from collections.abc import Iterable, Iterator, Mapping
from datetime import date, datetime, timedelta
from decimal import Decimal
from functools import lru_cache
from urllib.parse import quote, quote_plus
from uuid import UUID

from pydantic import JsonValue

from scheduler.watching.shapes import HIDDEN, is_secret_name, without_shapes

MOST_TEXT = 8_192
"""Characters of one text: of a longer one the middle is left out."""
BRIEF = 64
MOST_DEPTH = 6
MOST_ITEMS = 50
MOST_PARTS = 500
"""Values of one line, however they are nested."""
SHORTEST = 4
"""A secret of fewer characters cannot be hidden without hiding half of what there is to read."""
UNMISTAKABLE = 12
"""A shorter secret may be a word (the password `postgres`): hidden only where it stands alone."""
CUT = " … "
PLAIN = (UUID, date, timedelta, Decimal)
"""What holds no secret when it is written."""


class Redactor:
    """Knows the secrets of one daemon."""

    def __init__(self, secrets: Iterable[str] = ()) -> None:
        known = {part for secret in secrets for part in _parts(secret) if len(part) >= SHORTEST}
        written = {form for secret in known for form in _forms(secret) if len(form) >= SHORTEST}
        self._long = sorted(
            (form for form in written if len(form) >= UNMISTAKABLE), key=len, reverse=True
        )
        self._short = {
            form: re.compile(rf"(?<![A-Za-z0-9]){re.escape(form)}(?![A-Za-z0-9])")
            for form in sorted(written, key=len, reverse=True)
            if len(form) < UNMISTAKABLE
        }
        self._percent = [
            re.compile("".join(map(_percent, secret)), re.IGNORECASE) for secret in sorted(known)
        ]
        self._least = min(map(len, written), default=0)
        self._most = max(map(len, written), default=0)
        # What is to be looked at beside a cut: a secret in its longest form, or a token.
        self._near = max([256, self._most, *(3 * len(secret.encode()) for secret in known)])
        self._brief = lru_cache(maxsize=512)(self._cleaned)

    def text(self, text: str) -> str:
        """Without secrets and addresses, and no longer than `MOST_TEXT`."""
        if len(text) <= BRIEF:
            # Mostly names and ids, the same again and again.
            return self._brief(text)
        return self._cleaned(text) if len(text) <= MOST_TEXT else self._shortened(text)

    def _cleaned(self, text: str) -> str:
        return without_shapes(self.without_secrets(text))

    def without_secrets(self, text: str) -> str:
        """Without those of the settings, in whichever form they are there."""
        if not self._most or len(text) < self._least:
            return text
        for form in self._long:
            if form in text:
                text = text.replace(form, HIDDEN)
        for form, pattern in self._short.items():
            if form in text:
                text = pattern.sub(HIDDEN, text)
        if "%" in text:
            for pattern in self._percent:
                text = pattern.sub(HIDDEN, text)
        return text

    def fields(self, values: Mapping[str, object]) -> dict[str, JsonValue]:
        """What one line says, as plain data."""
        budget = [MOST_PARTS]
        return {key: self._named(key, value, budget, 1) for key, value in values.items()}

    def kept(self, data: Mapping[str, JsonValue] | None) -> Mapping[str, JsonValue] | None:
        """What a run returned: it stays as it is, unless a secret of the settings is in it."""
        if data is None or not self._most:
            return data
        whole = json.dumps(data, default=str, ensure_ascii=False)
        if self.without_secrets(whole) == whole:
            return data
        return {self.without_secrets(key): self._without(value) for key, value in data.items()}

    def _without(self, value: JsonValue) -> JsonValue:
        match value:
            case str():
                return self.without_secrets(value)
            case Mapping():
                return {self.without_secrets(key): self._without(one) for key, one in value.items()}
            case list():
                return [self._without(one) for one in value]
            case _:
                return value

    def _named(self, name: str, value: object, budget: list[int], depth: int) -> JsonValue:
        if value is None or isinstance(value, bool):
            return value
        if _is_secret_name(name):
            return HIDDEN
        try:
            return self._value(value, budget, depth)
        except Exception as error:  # noqa: BLE001 - what cannot be written must not stop the log
            return _unwritten(value, error)

    def _value(self, value: object, budget: list[int], depth: int) -> JsonValue:
        budget[0] -= 1
        if budget[0] < 0:
            return CUT.strip()
        if type(value) is str:
            return self.text(value)
        if value is None or isinstance(value, bool | int | float):
            # A subclass may write itself in any way; what it is worth is what counts.
            return value if type(value) in {bool, int, float, type(None)} else self._other(value)
        if isinstance(value, PLAIN):
            return value.isoformat() if isinstance(value, datetime) else str(value)
        if isinstance(value, bytes | bytearray | memoryview):
            # As text, in which a secret can be seen.
            return self.text(bytes(value).decode("utf-8", "backslashreplace"))
        if depth < MOST_DEPTH:
            if isinstance(value, Mapping):
                return self._mapping(value, budget, depth)
            if isinstance(value, list | tuple | set | frozenset):
                items: list[JsonValue] = []
                for item in value:
                    if len(items) == MOST_ITEMS or budget[0] < 0:
                        items.append(CUT.strip())
                        break
                    items.append(self._value(item, budget, depth + 1))
                return items
        return self._other(value)

    def _mapping(
        self, value: Mapping[object, object], budget: list[int], depth: int
    ) -> dict[str, JsonValue]:
        made: dict[str, JsonValue] = {}
        for key, item in value.items():
            if len(made) == MOST_ITEMS or budget[0] < 0:
                made[CUT.strip()] = CUT.strip()
                break
            name = self._other(key)
            made[name] = self._named(name, item, budget, depth + 1)
        return made

    def _other(self, value: object) -> str:
        try:
            return self.text(str(value))
        except Exception as error:  # noqa: BLE001 - what cannot be written must not stop the log
            return _unwritten(value, error)

    def _shortened(self, text: str) -> str:
        """Cut so that no part of a secret stays behind: what is near the cut is looked at first."""
        half, near = MOST_TEXT // 2, self._near
        head = self._cleaned(text[: half + near])
        tail = self._cleaned(text[-half - near :])
        return head[: max(len(head) - near, 0)][:half] + CUT + tail[near:][-half:]


_is_secret_name = lru_cache(maxsize=1024)(is_secret_name)


def _unwritten(value: object, error: Exception) -> str:
    return f"({type(value).__name__} that cannot be written: {type(error).__name__})"


def _parts(secret: str) -> Iterator[str]:
    """The whole, and what of it may be written alone: lines of a key, addresses of a list."""
    yield secret.strip()
    unescaped = secret.replace("\\n", "\n")
    lines = [line.strip() for line in unescaped.splitlines()]
    if len(lines) > 1:
        yield unescaped.strip()
        yield from (line for line in lines if len(line) >= UNMISTAKABLE and "-----" not in line)
    if "://" in secret:
        listed = re.split(r"[\s,]+", secret)
        yield from (part for part in listed if len(part) >= UNMISTAKABLE)


def _forms(secret: str) -> Iterator[str]:
    """How it may be written."""
    data = secret.encode("utf-8", "surrogatepass")
    yield secret
    yield json.dumps(secret)[1:-1]
    yield json.dumps(secret, ensure_ascii=False)[1:-1]
    yield repr(secret)[1:-1]
    yield repr(data)[2:-1]
    yield quote(secret, safe="", errors="replace")
    yield quote_plus(secret, errors="replace")
    if len(data) >= 8:
        yield data.hex()
        yield data.hex().upper()
        # In base64, alone or with something before and after it: Basic, AUTH PLAIN.
        for before in range(3):
            for encode in (b64encode, urlsafe_b64encode):
                text = encode(b"\0" * before + data).decode().rstrip("=")
                # The first and last characters hold bits of what is beside it.
                start = (before * 8 + 5) // 6
                end = (before + len(data)) * 8 // 6
                yield text[start:end]


def _percent(char: str) -> str:
    """One character, as it is or as its bytes in %XX; any of both in any place."""
    encoded = "".join(f"%{byte:02x}" for byte in char.encode("utf-8", "surrogatepass"))
    plain = r"(?:\+|" + re.escape(char) if char == " " else "(?:" + re.escape(char)
    return f"{plain}|{encoded})"
