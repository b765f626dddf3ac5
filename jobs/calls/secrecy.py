"""What must not be seen? Secrets that somebody wrote out, and secrets in what came back. Pure."""

from __future__ import annotations

import base64
import html
import json
import re
from collections.abc import Iterable, Iterator
from itertools import pairwise
from urllib.parse import parse_qsl, quote, quote_plus, urlsplit

from jobs.calls.texts import literal

HIDDEN = "***"
_SECRET_WORDS = frozenset(
    {
        *("apikey", "auth", "authorization", "bearer", "cookie", "credential", "credentials"),
        *("jwt", "passwd", "password", "secret", "session", "sig", "signature", "token"),
    }
)
_BEFORE_KEY = frozenset({"access", "api", "private", "secret", "subscription"})
KNOWN_SHAPES = re.compile(
    r"\b(?:bearer|basic)\s+[A-Za-z0-9._~+/=-]{6,}"
    r"|\bey[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]{8,}\."  # a JWT
    r"|\b(?:gh[opsur]_|github_pat_|glpat-|sk-|sk_live_|xox[abp]-|AKIA|AIza)[A-Za-z0-9_-]{10,}",
    re.IGNORECASE,
)


def names_a_secret(name: str) -> bool:
    """Whether what has this name (a header, a field of a query) is a secret by custom."""
    words = re.findall(r"[A-Z]?[a-z]+|[A-Z]+(?![a-z])", name)
    words = [word.lower() for word in words]
    return bool(_SECRET_WORDS & {*words}) or any(
        word == "key" and before in _BEFORE_KEY for before, word in pairwise(words)
    )


def looks_secret(text: str) -> bool:
    """Whether a secret of a known shape stands in the text itself."""
    return KNOWN_SHAPES.search(literal(text)) is not None


def is_written_out(name: str, value: str) -> bool:
    """Whether the value of a header or field is a secret that the file itself holds."""
    if looks_secret(value):
        return True
    return names_a_secret(name) and "${" not in value and value.strip() != ""


def secret_in_url(url: str) -> str | None:
    """The field of the query whose value is a secret written out, if there is one."""
    try:
        fields = parse_qsl(urlsplit(url).query)
    except ValueError:
        return None
    return next((name for name, value in fields if is_written_out(name, value)), None)


class Redactor:
    """Takes values out of texts, also as others write them: quoted, escaped, in base64."""

    def __init__(self, values: Iterable[str]) -> None:
        forms = {form for value in values for form in _forms(value) if form}
        longest_first = sorted(forms, key=len, reverse=True)
        self._longest = len(longest_first[0]) if forms else 0
        # What matches nothing where there is nothing to hide.
        self._forms = re.compile("|".join(map(re.escape, longest_first)) or r"(?!)", re.IGNORECASE)

    def __call__(self, text: str) -> str:
        return self._forms.sub(HIDDEN, text)

    def beginning(self, text: str, most: int) -> str:
        """At most the first `most` characters; what is hidden may go on behind them."""
        text, parts, at = text[: most + self._longest], list[str](), 0
        for found in self._forms.finditer(text):
            if found.start() >= most:
                break
            parts += (text[at : found.start()], HIDDEN)
            at = found.end()
        return "".join((*parts, text[at:most]))


def _forms(value: str) -> Iterator[str]:
    for text in {value, value.strip(), *_lines(value), *_decoded(value)}:
        yield text
        yield quote(text)
        yield quote(text, safe="")
        yield quote_plus(text)
        yield json.dumps(text)[1:-1]
        yield json.dumps(text).replace("/", "\\/")[1:-1]
        yield json.dumps(text, ensure_ascii=False)[1:-1]
        yield html.escape(text)
        yield html.escape(text, quote=False)
        yield repr(text)[1:-1]
        if len(text) >= 4:
            plain = text.encode()
            yield base64.b64encode(plain).decode().rstrip("=")
            yield base64.urlsafe_b64encode(plain).decode().rstrip("=")
            yield plain.hex()


def _lines(value: str) -> list[str]:
    lines = value.splitlines()
    return [line for line in lines if len(line) >= 8] if len(lines) > 1 else []


def _decoded(value: str) -> list[str]:
    """`user:password` and both of them, where the value is their base64 as for Basic."""
    try:
        plain = base64.b64decode(value + "=" * (-len(value) % 4), validate=True).decode()
    except ValueError:
        return []
    if not plain.isprintable():
        return []
    return [part for part in (plain, *plain.split(":", 1)) if len(part) >= 4]
