"""Texts that strangers write to break a page, and how a test finds that one of them did."""

from __future__ import annotations

from html.parser import HTMLParser

PAYLOADS = (
    "<script>alert(1)</script>",
    '"><img src=x onerror=alert(1)>',
    "' onmouseover='alert(1)",
    "</title></svg><script>alert(1)</script>",
    "{{ 7 * 7 }}{% raw %}",
    "javascript:alert(1)",
    "<a href='https://evil.example'>here</a>",
    "\u202egnp.exe\u0007\u0001",
    "<!-- x --><style>*{display:none}</style>",
    "&lt;b&gt; &amp;amp;",
    "] ]> %s %(x)s {0} \\x3cb\\x3e",
)


class _Seen(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.wrong: list[str] = []
        self.texts: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        if tag in {"style", "iframe", "object", "embed", "base"}:
            self.wrong.append(tag)
        if tag == "script" and not (given.get("src") or "").startswith("/static/"):
            self.wrong.append("script")
        for name, value in attrs:
            if name.startswith("on") or name == "style":
                self.wrong.append(f"{tag} {name}")
            if name in {"href", "src", "action", "hx-get"} and not (value or "").startswith(
                ("/", "#")
            ):
                self.wrong.append(f"{tag} {name}={value}")

    def handle_data(self, data: str) -> None:
        self.texts.append(data)


def broken_by(page: str) -> list[str]:
    """What in the page is none of ours: scripts, handlers, styles, links to elsewhere."""
    seen = _Seen()
    seen.feed(page)
    return seen.wrong


def text_of(page: str) -> str:
    """What a person reads."""
    seen = _Seen()
    seen.feed(page)
    return "".join(seen.texts)
