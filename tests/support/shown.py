"""What does GitHub make of a Markdown text? Rendered by its own parser, then looked at as it would.

Text inside of code is not looked at: there GitHub finds no mention and no reference either.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from html.parser import HTMLParser

import cmarkgfm
from cmarkgfm.cmark import Options

MENTION = re.compile(r"@[\w]")
CLOSING = re.compile(
    r"\b(?:close[sd]?|fix(?:e[sd])?|resolve[sd]?|duplicate of)\b:?\s*"
    r"(?:[\w.-]+/[\w.-]+)?(?:#\d|GH-\d)",
    re.IGNORECASE,
)
ELSEWHERE = re.compile(r"([\w.-]+/)?[\w.-]+#\d+", re.ASCII)
COMMAND = re.compile(r"^/[a-z]\w*\b(?!/)", re.IGNORECASE | re.MULTILINE)
BLOCKS = frozenset("p h1 h2 h3 h4 h5 h6 li td th blockquote br".split())  # noqa: SIM905 - names
LANGUAGE = re.compile(r"language-(\S+)")


@dataclass
class Shown(HTMLParser):
    """The tags, addresses and texts of a page."""

    tags: set[str] = field(default_factory=set)
    links: list[str] = field(default_factory=list)
    images: list[str] = field(default_factory=list)
    comments: list[str] = field(default_factory=list)
    languages: set[str] = field(default_factory=set)
    attributes: set[str] = field(default_factory=set)

    def __post_init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self._code = 0
        self._parts: list[str] = []

    @property
    def text(self) -> str:
        """What stands outside of code; `\\x00` is where code stands."""
        return "".join(self._parts)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.attributes |= {name for name, _ in attrs}
        given = dict(attrs)
        if tag == "a":
            self.links.append(given.get("href") or "")
        if tag == "img":
            self.images.append(given.get("src") or "")
            self._parts.append(given.get("alt") or "")
        if tag in BLOCKS:
            self._parts.append("\n")
        if tag == "code":
            self._code += 1
            self._parts.append("\x00")
        if found := LANGUAGE.match(given.get("class") or ""):
            self.languages.add(found[1])
        if tag == "pre" and given.get("lang"):
            self.languages.add(given["lang"] or "")

    def handle_endtag(self, tag: str) -> None:
        self._code -= tag == "code"

    def handle_data(self, data: str) -> None:
        if not self._code:
            self._parts.append(data)

    def handle_comment(self, data: str) -> None:
        self.comments.append(data)


def shown(markdown: str) -> Shown:
    page = Shown()
    # Unsafe: what is raw HTML must be seen as such, not be left out by the renderer.
    page.feed(cmarkgfm.github_flavored_markdown_to_html(markdown, Options.CMARK_OPT_UNSAFE))
    page.close()
    return page
