"""How does a message read without HTML?

The standard library's parser and a few rules: what messages are made of is little, and the
libraries for it are large or may not be given on under our licence.
"""

from __future__ import annotations

import re
from html.parser import HTMLParser

MOST = 256 * 1024
"""Characters of HTML that are read; a text is for reading, not a copy of a catalogue."""
BLOCKS = frozenset(
    [
        "address",
        "article",
        "aside",
        "blockquote",
        "body",
        "center",
        "dd",
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
        "hr",
        "html",
        "main",
        "nav",
        "ol",
        "p",
        "pre",
        "section",
        "table",
        "tbody",
        "tfoot",
        "thead",
        "tr",
        "ul",
    ]
)
APART = frozenset(
    ["blockquote", "h1", "h2", "h3", "h4", "h5", "h6", "ol", "p", "pre", "table", "ul"]
)
"""With an empty line before and after."""
SILENT = frozenset(["head", "script", "style", "template", "title"])


def plain_text(html: str) -> str:
    """The text of `html`; links stand behind their words."""
    reader = _Reader()
    reader.feed(html[:MOST])
    reader.close()
    return reader.text()


class _Reader(HTMLParser):
    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self._parts: list[str] = []
        self._silent: list[str] = []
        self._links: list[tuple[str, int]] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = dict(attrs)
        if tag in SILENT:
            self._silent.append(tag)
        elif tag == "br":
            self._parts.append("\n")
        elif tag == "hr":
            self._parts.append("\n\n----\n\n")
        elif tag == "li":
            self._parts.append("\n- ")
        elif tag == "img":
            self._parts.append(values.get("alt") or "")
        elif tag in {"td", "th"}:
            self._parts.append(" ")
        elif tag == "a":
            self._links.append((values.get("href") or "", len(self._parts)))
        else:
            self._block(tag)

    def handle_endtag(self, tag: str) -> None:
        if self._silent:
            if tag in self._silent:
                del self._silent[self._silent.index(tag) :]
        elif tag == "a" and self._links:
            href, since = self._links.pop()
            words = "".join(self._parts[since:]).strip()
            if href.startswith(("http://", "https://", "mailto:")) and words != href:
                self._parts.append(f" ({href.removeprefix('mailto:')})" if words else href)
        else:
            self._block(tag)

    def handle_data(self, data: str) -> None:
        if not self._silent:
            self._parts.append(re.sub(r"\s+", " ", data))

    def _block(self, tag: str) -> None:
        if tag in BLOCKS:
            self._parts.append("\n\n" if tag in APART else "\n")

    def text(self) -> str:
        lines = [" ".join(line.split()) for line in "".join(self._parts).split("\n")]
        return re.sub(r"\n{3,}", "\n\n", "\n".join(lines)).strip() + "\n"
