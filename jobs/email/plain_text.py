"""How does a message read without HTML?

A few rules of our own: what messages are made of is little; the standard library's parser takes
minutes over some hostile texts, and the libraries for it are large or may not be given on under
our licence.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from html import unescape

MOST = 256 * 1024
"""Characters of HTML that are read; a text is for reading, not a copy of a catalogue."""
MOST_TAG = 2_048
"""Characters of a tag; what is longer is no tag. So no text takes long, whatever is in it."""
TAG = re.compile(r"<(/?)([a-zA-Z][a-zA-Z0-9]*+)((?>[^<>\"']|\"[^\"]*\"|'[^']*')*)>|<[!?][^>]*>")
HREF = re.compile(r"\bhref\s*=\s*(?:\"([^\"]*)\"|'([^']*)'|([^\s\"'>]+))", re.IGNORECASE)
ALT = re.compile(r"\balt\s*=\s*(?:\"([^\"]*)\"|'([^']*)'|([^\s\"'>]+))", re.IGNORECASE)
RAW_END = re.compile(r"</(?:script|style)\b", re.IGNORECASE)

BLOCKS = frozenset(
    [
        "address",
        "article",
        "aside",
        "blockquote",
        "body",
        "center",
        "div",
        "dl",
        "dt",
        "figure",
        "footer",
        "form",
        "h1",
        "h2",
        "h3",
        "h4",
        "h5",
        "h6",
        "header",
        "html",
        "main",
        "nav",
        "ol",
        "p",
        "pre",
        "section",
        "table",
        "tr",
        "ul",
    ]
)
APART = frozenset(
    ["blockquote", "h1", "h2", "h3", "h4", "h5", "h6", "ol", "p", "pre", "table", "ul"]
)
"""With an empty line before and after."""
SILENT = frozenset(["head", "template", "title"])


def plain_text(html: str) -> str:
    """The text of `html`; links stand behind their words."""
    parts: list[str] = []
    links: list[tuple[str, int]] = []
    silent: str | None = None
    empty = True  # nothing stands on the line yet

    def say(text: str) -> None:
        nonlocal empty
        parts.append(text)
        empty = empty and not text.strip()

    def end_line(ends: str = "\n") -> None:
        nonlocal empty
        if not empty or len(ends) > 1:
            parts.append(ends)
        empty = True

    for piece in _pieces(html[:MOST]):
        if isinstance(piece, str):
            if silent is None:
                say(re.sub(r"\s+", " ", unescape(piece)))
            continue
        closing, tag, inside = piece[1] == "/", (piece[2] or "").lower(), piece[3] or ""
        if silent is not None:
            silent = None if closing and tag == silent else silent
        elif tag in SILENT and not closing:
            silent = tag
        elif tag == "br":
            parts.append("\n")
            empty = True
        elif tag == "hr":
            end_line("\n\n----\n\n")
        elif tag == "li" and not closing:
            end_line()
            say("- ")
        elif tag == "img":
            say(_value(ALT, inside))
        elif tag in {"td", "th"} and not closing:
            say(" ")
        elif tag == "a" and not closing:
            links.append((_value(HREF, inside), len(parts)))
        elif tag == "a" and links:
            href, since = links.pop()
            words = "".join(parts[since:]).strip()
            if href.startswith(("http://", "https://", "mailto:")) and words != href:
                say(f" ({href.removeprefix('mailto:')})" if words else href)
        elif tag in APART:
            end_line("\n\n")
        elif tag in BLOCKS:
            end_line()
    lines = [" ".join(line.split()) for line in "".join(parts).split("\n")]
    text = re.sub(r"\n{3,}", "\n\n", "\n".join(lines))
    return text.strip() + "\n"


def _pieces(html: str) -> Iterator[str | re.Match[str]]:
    """Texts and tags in turn; what is in comments, scripts and styles is left out."""
    at = 0
    while (start := html.find("<", at)) >= 0:
        yield html[at:start]
        if html.startswith("<!--", start):
            end = html.find("-->", start + 4)
            at = end + 3 if end >= 0 else len(html)
            continue
        tag = TAG.match(html, start, start + MOST_TAG)
        if tag is None:
            yield "<"
            at = start + 1
            continue
        at = tag.end()
        if tag[1] == "" and (tag[2] or "").lower() in {"script", "style"}:
            end_of_raw = RAW_END.search(html, at)
            at = end_of_raw.start() if end_of_raw else len(html)
        yield tag
    yield html[at:]


def _value(attribute: re.Pattern[str], inside: str) -> str:
    found = attribute.search(inside)
    return unescape(next((value for value in found.groups() if value), "")) if found else ""
