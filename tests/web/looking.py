"""What is in a page, as a browser would read it?"""

from __future__ import annotations

from dataclasses import dataclass, field
from html.parser import HTMLParser
from typing import Self


@dataclass
class Seen(HTMLParser):
    """Its tags, the names of attributes, addresses, and text."""

    tags: set[str] = field(default_factory=set)
    attributes: set[str] = field(default_factory=set)
    links: list[str] = field(default_factory=list)
    sources: list[str] = field(default_factory=list)
    forms: list[str] = field(default_factory=list)
    values: list[str] = field(default_factory=list)
    """Of fields."""
    text: str = ""

    def __post_init__(self) -> None:
        super().__init__(convert_charrefs=True)

    @classmethod
    def of(cls, html: str) -> Self:
        seen = cls()
        seen.feed(html)
        seen.close()
        return seen

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        for name, value in attrs:
            self.attributes.add(name)
            kept = {"href": self.links, "src": self.sources, "action": self.forms}
            kept["value"] = self.values
            if name in kept:
                kept[name].append(value or "")

    def handle_data(self, data: str) -> None:
        self.text += data
