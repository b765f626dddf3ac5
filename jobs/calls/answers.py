"""What does an answer say, in a few characters that can be kept and shown? Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping
from urllib.parse import urlsplit

from jobs.calls.secrecy import Redactor

MOST_KEPT = 300
"""Characters of an answer."""
_LOOKED_AT = 20_000
_CHARSET = re.compile(r"charset=\"?([\w-]+)", re.IGNORECASE | re.ASCII)
_CODECS = {
    "us-ascii": "ascii",
    "iso-8859-1": "cp1252",  # as browsers read it
    "latin1": "cp1252",
    "iso-8859-15": "iso-8859-15",
    "windows-1252": "cp1252",
}
_ODD = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff]")


def text_of(headers: Mapping[str, str], body: bytes) -> str | None:
    """The answer as text; None where it is something else."""
    found = _CHARSET.search(headers.get("content-type", ""))
    codec = _CODECS.get(found[1].lower(), "utf-8") if found else "utf-8"
    if b"\x00" in body:
        return None
    try:
        return body.decode(codec)
    except UnicodeDecodeError as error:
        # The last character may have been cut in two.
        if error.start > len(body) - 4 and codec == "utf-8":
            return body[: error.start].decode(codec)
        return None


def kept(text: str, hide: Redactor, most: int = MOST_KEPT) -> str:
    """Its beginning, without what must not be seen."""
    return _short(hide.beginning(text, _LOOKED_AT), hide, most)


def on_one_line(text: str, hide: Redactor, most: int) -> str:
    return _short(" ".join(hide.beginning(text, _LOOKED_AT).split()), hide, most)


def _short(text: str, hide: Redactor, most: int) -> str:
    # Once more: what was apart may have come together.
    plain = hide(_ODD.sub("\ufffd", text)).strip()
    return plain if len(plain) <= most else plain[: most - 1] + "…"


def place(location: str, hide: Redactor) -> str:
    """Where a redirect leads, without what it carries."""
    try:
        parts = urlsplit(location)
        host = parts.netloc.rpartition("@")[2]
        shown = f"{parts.scheme}://{host}{parts.path}" if host else parts.path
    except ValueError:
        return "an address that is none"
    return on_one_line(shown, hide, 200) or "no address"
