"""What looks like a secret, or like somebody's address, in a text of which nothing is known? Pure.

Each pattern is tried only where a part of it, that is quick to look for, is in the text; and each
takes time in proportion to the text.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise

HIDDEN = "***"

_URL = re.compile(
    r"""((?<![a-z0-9])[a-z][a-z0-9+.-]{0,30}://)[^\s/?#"'<>]{0,512}@""", re.IGNORECASE
)
_QUOTED = r'"(?:[^"\\]|\\.)*+"?|\'(?:[^\'\\]|\\.)*+\'?'
_NAMED = re.compile(
    r"((?:passw(?:or)?d|passphrase|pwd|secret|token|api[_-]?key|(?:access|private|signing)[_-]?key"
    r"|signature|credentials?|authorization|cookie)"
    rf"""\\?["']?\s{{0,5}}(?:=|:(?=\s{{0,5}}\\?["']))\s{{0,5}})"""
    rf"""(?:\\"[^"\\]*+(?:\\")?|{_QUOTED}|[^\s,;&"'}}\])]+)""",
    re.IGNORECASE,
)
_PASSWORD = re.compile(r"\b(passw(?:or)?d|passphrase|pwd)(:\s{1,5})[^\s,;]+", re.IGNORECASE)
_HEADER = re.compile(
    r"""(\b(?:proxy-)?authorization|\b(?:set-)?cookie|\bx-[a-z-]{0,40}(?:key|token|secret|signature)"""
    rf"""|\bapi-key)(\\?["']?\s{{0,5}}[:=]\s{{0,5}})(?:{_QUOTED}|[^\r\n}}]+)""",
    re.IGNORECASE,
)
_SCHEME = re.compile(
    r"\b((?i:bearer|basic|digest))(\s{1,5})"
    r"(?=[A-Za-z0-9._~+/-]{0,2000}[A-Z0-9_=])[A-Za-z0-9._~+/=-]{6,}"
)
_JWT = re.compile(r"\beyJ[A-Za-z0-9_-]{6,}\.[A-Za-z0-9_-]{6,}(?:\.[A-Za-z0-9_-]*)*")
_PRIVATE_KEY = re.compile(
    r"-----BEGIN [A-Z0-9 ]{0,40}PRIVATE KEY-----.*?(?:-----END [A-Z0-9 ]{0,40}PRIVATE KEY-----|\Z)",
    re.DOTALL,
)
_TOKENS = re.compile(
    r"(?<![A-Za-z0-9])(?:"
    r"gh[pousr]_[A-Za-z0-9]{20,}|github_pat_\w{20,}|glpat-[\w-]{16,}"
    r"|sk-[\w-]{16,}|[srp]k_(?:live|test)_\w{10,}|whsec_[\w+/=]{16,}"
    r"|xkeysib-[\w-]{16,}|xsmtpsib-[\w-]{16,}|xox[a-z]-[\w-]{10,}"
    r"|[0-9a-f]{32}-us\d{1,3}(?!\w)|AKIA[A-Z0-9]{16}|AIza[\w-]{30,}|npm_\w{30,}|pypi-[\w-]{30,}"
    r")",
    re.ASCII,
)
_BOT = re.compile(r"(?<!\d)\d{8,10}:[A-Za-z0-9_-]{30,}")
_HOOK = re.compile(
    r"(hooks\.slack\.com/(?:services|workflows|triggers)/|discord(?:app)?\.com/api/webhooks/\d+/)[^\s\"'<>]+"
)
_ADDRESS = re.compile(
    r"""[^\s@<>"'(),:;\[\]\\/=*…]{1,64}@((?:[\w-]{1,63}\.){1,8}[^\W\d_]{2,24})(?![\w-])"""
)

_NAMES = ("pass", "secret", "token", "key", "pwd", "signature", "credential", "auth", "cookie")
_HEADERS = ("authorization", "cookie", "x-", "api-key")
_STARTS = (
    *(
        "gh",
        "_pat_",
        "glpat-",
        "sk-",
        "k_live_",
        "k_test_",
        "whsec_",
        "xkeysib-",
        "xsmtpsib-",
        "xox",
    ),
    *("xox", "-us", "AKIA", "AIza", "npm_", "pypi-"),
)


@dataclass(frozen=True, slots=True)
class _Shape:
    pattern: re.Pattern[str]
    instead: str
    may_hold: Callable[[str, str], bool]
    """Of a text, and of the same in lower case: quick, and true where the pattern is there."""


def _any_of(parts: Sequence[str]) -> Callable[[str, str], bool]:
    return lambda text, _: any(part in text for part in parts)


_SHAPES = (
    _Shape(_PRIVATE_KEY, HIDDEN, _any_of(("PRIVATE KEY-----",))),
    _Shape(_URL, rf"\1{HIDDEN}@", lambda text, _: "@" in text and "://" in text),
    _Shape(_HOOK, rf"\1{HIDDEN}", _any_of(("hooks.slack.com/", "/api/webhooks/"))),
    _Shape(
        _HEADER,
        rf"\1\2{HIDDEN}",
        lambda _, lower: any(name in lower for name in _HEADERS),
    ),
    _Shape(
        _NAMED,
        rf"\1{HIDDEN}",
        lambda text, lower: ("=" in text or ":" in text) and any(name in lower for name in _NAMES),
    ),
    _Shape(_PASSWORD, rf"\1\2{HIDDEN}", lambda text, lower: ": " in text and "p" in lower),
    _Shape(
        _SCHEME,
        rf"\1\2{HIDDEN}",
        lambda _, lower: "bearer" in lower or "basic" in lower or "digest" in lower,
    ),
    _Shape(_JWT, HIDDEN, _any_of(("eyJ",))),
    _Shape(_TOKENS, HIDDEN, _any_of(_STARTS)),
    _Shape(_BOT, HIDDEN, lambda text, _: ":" in text and any(char.isdigit() for char in text)),
    # Whose address it was is nobody's business here; where they are helps to mend what is wrong.
    _Shape(_ADDRESS, r"…@\1", lambda text, _: "@" in text),
)


def without_shapes(text: str) -> str:
    """The text, and in the place of what looks like a secret `***`, of an address its domain."""
    lower = text.lower()
    for shape in _SHAPES:
        if shape.may_hold(text, lower):
            text = shape.pattern.sub(shape.instead, text)
    return text


_WORDS = re.compile(r"[A-Z]?[a-z]+|[A-Z]+(?![a-z])|\d+")
_SECRET_WORDS = frozenset({"pwd", "token", "cookie", "cookies", "bearer", "dsn", "passphrase"})
_SECRET_PARTS = ("password", "passwd", "secret", "apikey", "authorization", "credential")
_KINDS_OF_KEY = frozenset({"api", "private", "encryption", "signing", "access", "unsubscribe"})


def is_secret_name(name: str) -> bool:
    """Whether what is called so is a secret: `api_key`, `setCookie`, `GITHUB_TOKEN`."""
    name = name[:200]
    lower = name.lower()
    if any(part in lower for part in _SECRET_PARTS):
        return True
    words = [word.lower() for word in _WORDS.findall(name)]
    return not _SECRET_WORDS.isdisjoint(words) or any(
        kind in _KINDS_OF_KEY and what == "key" for kind, what in pairwise(words)
    )
