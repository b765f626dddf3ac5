"""Did anything get through that must not, whatever the model answered? Pure.

Read by another way than the one that made the text harmless: as GitHub would read it, with HTML.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator, Sequence
from functools import cache
from urllib.parse import urlsplit

from markdown_it import MarkdownIt
from markdown_it.token import Token

from agents.kit.agent import Agent, Item
from agents.kit.fit import Fit

MENTION = re.compile(r"(?<![\w`/.])@[A-Za-z0-9]")
CLOSING = re.compile(
    r"\b(?:close[sd]?|fix(?:e[sd])?|resolve[sd]?)\b:?\s+[\w./-]*#\d", re.IGNORECASE
)
BARE = re.compile(r"://|\bwww\.", re.IGNORECASE)
ALLOWED_CONTROLS = frozenset("\n\t")
UNSEEN = frozenset({"Cc", "Cf", "Co", "Cs"})


def breaches_of(
    kept: Sequence[Fit], agent: Agent, shown: Sequence[Item], hosts: frozenset[str]
) -> Iterator[str]:
    """What is wrong with what would be shown to a maintainer, each in a few words."""
    there = {item.ref: item for item in shown}
    for fit in kept:
        for item in fit.evidence:
            if there.get(item.ref) is not item:
                yield f"evidence that was not shown: {item.ref}"
        kind = agent.kinds.get(fit.kind)
        if kind is None or fit.action["type"] != kind.action:
            yield f"an action that is not the kind's: {fit.action['type']}"
        number = fit.action.get("number")
        if number is not None and str(number) not in {item.key for item in fit.evidence}:
            yield f"an action on what is no evidence: {number}"
        yield from _of_text(fit.title, "title")
        yield from _of_text(fit.body, "body")
        yield from _of_markdown(fit.body, hosts)


def _of_text(text: str, where: str) -> Iterator[str]:
    if "<!--" in text:
        yield f"a hidden comment in the {where}"
    if any(
        unicodedata.category(character) in UNSEEN and character not in ALLOWED_CONTROLS
        for character in text
    ):
        yield f"invisible characters in the {where}"
    if where == "title" and (MENTION.search(text) or BARE.search(text)):
        yield "a mention or an address in the title"


def _of_markdown(text: str, hosts: frozenset[str]) -> Iterator[str]:
    for token in _tokens(_parser().parse(text)):
        if token.type in {"html_block", "html_inline"}:
            yield "HTML"
        if token.type in {"link_open", "image"}:
            address = str(token.attrs.get("href") or token.attrs.get("src") or "")
            parts = urlsplit(address)
            if parts.scheme != "https" or parts.netloc not in hosts:
                yield f"a link to {parts.netloc or parts.scheme or 'nowhere'}"
    for line in _lines(text):
        if MENTION.search(line):
            yield "a mention"
        if CLOSING.search(line):
            yield "a keyword that closes an issue"
        if BARE.search(line):
            yield "a bare address"


def _tokens(tokens: Sequence[Token]) -> Iterator[Token]:
    for token in tokens:
        yield token
        yield from _tokens(token.children or ())


def _lines(text: str) -> Iterator[str]:
    """What a reader sees outside of code and links, a block at a time."""
    for token in _parser().parse(text):
        if token.type != "inline":
            continue
        depth, seen = 0, ""
        for child in token.children or ():
            depth += {"link_open": 1, "link_close": -1}.get(child.type, 0)
            if child.type == "code_inline":
                seen += "`"
            elif child.type in {"softbreak", "hardbreak"}:
                seen += "\n"
            elif child.type == "text" and depth == 0:
                seen += child.content
        yield seen


@cache
def _parser() -> MarkdownIt:
    return MarkdownIt("commonmark", {"html": True}).enable(["table", "strikethrough"])
