"""How is Markdown of a model shown in a page without doing anything? Pure.

HTML in it is words, links go over https to the hosts that suggestions may link to, and what would
go elsewhere stays as it is written. Pictures are links: a page loads nothing from other sites.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from functools import lru_cache
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from markupsafe import Markup, escape

if TYPE_CHECKING:
    from markdown_it import MarkdownIt
    from markdown_it.token import Token

MOST = 60_000
"""Characters that are read."""
DEEPEST_HEADING = 6
BELOW = 2
"""Headings stand below those of the page."""
REL = "noopener noreferrer nofollow"


def as_html(markdown: str, hosts: frozenset[str]) -> Markup:
    """For a page. `hosts` are where links may go."""
    parser = _parser(hosts)
    tokens = parser.parse(markdown[:MOST])
    for token in tokens:
        if token.type in {"heading_open", "heading_close"}:
            token.tag = f"h{min(int(token.tag[1:]) + BELOW, DEEPEST_HEADING)}"
    # What the renderer writes is escaped by it; nothing else gets into the text.
    return Markup(parser.renderer.render(tokens, parser.options, {}))  # noqa: S704


def safe_address(address: object, hosts: Collection[str]) -> str | None:
    """The address where a link may go there, None where it may not."""
    if not isinstance(address, str) or not address.isprintable() or "\\" in address:
        return None
    try:
        parts = urlsplit(address)
        port = parts.port
    except ValueError:
        return None
    fits = parts.scheme == "https" and port is None and parts.netloc.lower() in hosts
    return address if fits else None


@lru_cache(maxsize=4)
def _parser(hosts: frozenset[str]) -> MarkdownIt:
    from markdown_it import MarkdownIt

    parser = MarkdownIt("commonmark", {"html": False}).enable(["table", "strikethrough"])
    # A link that may not be is not read as one: its text stands as it was written.
    parser.validateLink = lambda url: safe_address(url, hosts) is not None  # type: ignore[method-assign]
    parser.add_render_rule("link_open", _link)
    parser.add_render_rule("image", _picture)
    parser.add_render_rule("fence", _code)
    for cell in ("th_open", "td_open"):
        parser.add_render_rule(cell, _cell)
    return parser


def _link(_self: Any, tokens: Sequence[Token], n: int, _options: Any, _env: Any) -> str:
    return f'<a href="{escape(tokens[n].attrGet("href") or "")}" rel="{REL}">'


def _picture(self: Any, tokens: Sequence[Token], n: int, options: Any, env: Any) -> str:
    token = tokens[n]
    words = escape(self.renderInlineAsText(token.children or [], options, env).strip() or "picture")
    opened = sum(one.nesting for one in tokens[:n] if one.type in {"link_open", "link_close"})
    if opened > 0:
        return f"[{words}]"
    return f'<a href="{escape(token.attrGet("src") or "")}" rel="{REL}">[{words}]</a>'


def _code(_self: Any, tokens: Sequence[Token], n: int, _options: Any, _env: Any) -> str:
    return f"<pre><code>{escape(tokens[n].content)}</code></pre>\n"


def _cell(_self: Any, tokens: Sequence[Token], n: int, _options: Any, _env: Any) -> str:
    """Its alignment would be a style attribute, which the policy of pages forbids."""
    return f"<{tokens[n].tag}>"
