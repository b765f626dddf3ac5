"""How is a line of Markdown written so that it does nothing but be read? Pure.

What would act on GitHub stands in code spans, where people can read it and nothing happens:
mentions, addresses that are not allowed, references to other repositories, what closes issues,
commands of bots.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import quote, unquote, urlsplit

from agents.kit.characters import cleaned

if TYPE_CHECKING:
    from markdown_it.tree import SyntaxTreeNode as Node

SEEN = 80
"""Characters that are looked back."""
KEYWORD = re.compile(
    r"(?<![A-Za-z0-9])(?:(?:clos|fix|resolv|implement)[a-z]*|duplicates?(?:\s+of)?)[\W_]*\Z",
    re.IGNORECASE,
)
"""Before a reference it does something to the issue. Wider than what GitHub documents."""
REFERENCE = re.compile(r"#\d|#\Z|\bGH-\d", re.ASCII | re.IGNORECASE)
REPOSITORY = re.compile(r"[\w./-]+\Z", re.ASCII)
"""In front of a number: `owner/name#12`."""
ADDRESS = re.compile(r"://|www\.|@|\b(?:mailto|xmpp|javascript|data|vbscript):", re.IGNORECASE)
COMMAND = re.compile(r"/(?:[A-Za-z]|\Z)")
OPENING, CLOSING = "([{\"'*_~<", ")]}\"'*_~>.,;:!?"
ON_GITHUB = re.compile(
    r"/(?P<repository>[^/]+/[^/]+)/(?:issues|pull|pulls|discussions|commit|commits)(?:/|$)"
)
SPECIAL = re.compile(r"([\\`*\[\]~$])")
SAFE_IN_PATH = "/._~%-"
SAFE_IN_QUERY = "=&._~%-+,;/"


@dataclass(frozen=True, slots=True)
class _Piece:
    """A part of a line, with what a reader sees of it."""

    written: str
    seen: str


class InlineWriter:
    """Of one text: what closes an issue may have its two halves in two blocks."""

    def __init__(self, hosts: frozenset[str], repository: str | None) -> None:
        self._hosts = hosts
        self._repository = repository
        self._seen = ""
        """The end of what a reader has seen so far, in whichever block."""

    def line(self, node: Node) -> str:
        """Lines, where the text has several."""
        pieces = self._pieces(node.children, f"{self._seen}\n", in_link=False)
        self.see("".join(piece.seen for piece in pieces))
        return _joined(pieces)

    def see(self, text: str) -> None:
        self._seen = f"{self._seen}\n{text}"[-SEEN:]

    def _pieces(self, nodes: Sequence[Node], before: str, *, in_link: bool) -> list[_Piece]:
        """`before` is what a reader has seen in front of them."""
        pieces: list[_Piece] = []
        for node in _with_text_joined(nodes):
            seen = before + "".join(piece.seen for piece in pieces)
            pieces += self._piece(node, seen[-SEEN:], in_link=in_link)
        return pieces

    def _piece(self, node: Node | str, before: str, *, in_link: bool) -> list[_Piece]:
        if isinstance(node, str):
            return list(self._text(node, before, in_link=in_link))
        match node.type:
            case "inline":
                return self._pieces(node.children, before, in_link=in_link)
            case "code_inline":
                return [_code_piece(cleaned(node.content))]
            case "em" | "strong" | "s":
                mark = {"em": "*", "strong": "**", "s": "~~"}[node.type]
                inner = self._pieces(node.children, before, in_link=in_link)
                return _marked(mark, inner)
            case "link":
                return self._link(node, before, in_link=in_link)
            case "image":
                return self._image(node, before, in_link=in_link)
            case _:
                return []

    def _link(self, node: Node, before: str, *, in_link: bool) -> list[_Piece]:
        given = str(node.attrs.get("href", ""))
        address = None if in_link or KEYWORD.search(before) else self._allowed(given)
        inner = self._pieces(node.children, before, in_link=address is not None)
        seen = "".join(piece.seen for piece in inner)
        if address is not None:
            if seen.strip() in {"", given}:
                return [_Piece(f"<{address}>", address)]
            return [_Piece(f"[{_joined(inner).replace(chr(10), ' ').strip()}]({address})", seen)]
        shown = unquote(given)
        if given.lower().startswith(("http://", "https://")) and shown != seen.strip():
            return [
                *inner,
                _Piece(" (", " ("),
                _code_piece(cleaned(given[:200])),
                _Piece(")", ")"),
            ]
        return inner

    def _image(self, node: Node, before: str, *, in_link: bool) -> list[_Piece]:
        words = " ".join(cleaned(node.content).split())
        address = None if in_link else self._allowed(str(node.attrs.get("src", "")))
        inner = list(self._text(words, before, in_link=True))
        if address is None:
            return inner
        return [_Piece(f"![{_joined(inner)}]({address})", words)]

    def _text(self, text: str, before: str, *, in_link: bool) -> Iterator[_Piece]:
        for part in re.findall(r"\n|[^\S\n]+|\S+", cleaned(text)):
            if part.isspace():
                piece = _Piece("\n" if part == "\n" else " ", part)
            else:
                at_start = before.rstrip(" ").endswith("\n")
                yield from (pieces := list(self._word(part, before, at_start, in_link=in_link)))
                before += "".join(piece.seen for piece in pieces)
                continue
            before += piece.seen
            yield piece

    def _word(self, word: str, before: str, at_start: bool, *, in_link: bool) -> Iterator[_Piece]:
        start = len(word) - len(word.lstrip(OPENING))
        end = max(len(word.rstrip(CLOSING)), start)
        head, core, tail = word[:start], word[start:end], word[end:]
        if not core:
            core, head, tail = word, "", ""
        if self._is_live(core, before + head, at_start=at_start and not head):
            address = None if in_link or KEYWORD.search(before + head) else self._allowed(core)
            yield _Piece(_escaped(head), head)
            yield _code_piece(core) if address is None else _Piece(f"<{address}>", core)
            yield _Piece(_escaped(tail), tail)
        elif ADDRESS.search(word):
            yield _code_piece(word)
        else:
            yield _Piece(_escaped(word), word)

    def _is_live(self, word: str, before: str, *, at_start: bool) -> bool:
        """Whether GitHub, or somebody who reads it for commands, would make something of it."""
        if ADDRESS.search(word) or (at_start and COMMAND.match(word)):
            return True
        for found in REFERENCE.finditer(word):
            in_front = before + word[: found.start()]
            if KEYWORD.search(in_front):
                return True
            repository = REPOSITORY.search(in_front) if found[0][-1] != "#" else None
            if repository is not None and repository[0].lower() != self._repository:
                return True
        return False

    def _allowed(self, address: str) -> str | None:
        """The address, written so that nothing can be read into it; None where it may not be."""
        try:
            parts = urlsplit(address)
            port = parts.port
        except ValueError:
            return None
        host = parts.netloc.lower()
        if parts.scheme.lower() != "https" or port is not None or host not in self._hosts:
            return None
        if re.search(r"[\s\\<>\x00-\x20]", address):
            return None
        path = quote(parts.path, safe=SAFE_IN_PATH)
        found = ON_GITHUB.match(unquote(path)) if host == "github.com" else None
        if found is not None and found["repository"].lower() != self._repository:
            return None  # another repository would show that it is spoken of here
        query = f"?{quote(parts.query, safe=SAFE_IN_QUERY)}" if parts.query else ""
        fragment = f"#{quote(parts.fragment, safe=SAFE_IN_QUERY)}" if parts.fragment else ""
        return f"https://{host}{path}{query}{fragment}"


def _with_text_joined(nodes: Sequence[Node]) -> Iterator[Node | str]:
    """Text that will stand side by side must be judged as one."""
    text = ""
    for node in nodes:
        match node.type:
            case "text" | "text_special" | "html_inline":
                text += node.content
            case "softbreak" | "hardbreak":
                text += "\n"
            case _:
                if text:
                    yield text
                text = ""
                yield node
    if text:
        yield text


def _joined(pieces: Sequence[_Piece]) -> str:
    line = ""
    for piece in pieces:
        if line.endswith("`") and piece.written.startswith("`"):
            line += " "  # two code spans side by side would be one
        if line.endswith("!") and piece.written.startswith(("[", "<")):
            line = f"{line[:-1]}\\!"
        line += piece.written
    return line


def _marked(mark: str, inner: Sequence[_Piece]) -> list[_Piece]:
    text = _joined(inner)
    seen = "".join(piece.seen for piece in inner)
    if not text.strip() or "\n\n" in text:
        return [_Piece(text, seen)]
    head = text[: len(text) - len(text.lstrip())]
    tail = text[len(text.rstrip()) :]
    return [_Piece(f"{head}{mark}{text.strip()}{mark}{tail}", seen)]


def code_text(text: str) -> str:
    """Nor may code hold what opens a comment: our own marks are found by it."""
    return text.replace("<!--", "<! --")


def _code_piece(text: str) -> _Piece:
    text = code_text(" ".join(text.split("\n")))
    if not text.strip():
        return _Piece("", "")
    marks = "`" * (longest_run(text) + 1)
    pad = " " if text[0] in "` " or text[-1] in "` " else ""
    return _Piece(f"{marks}{pad}{text}{pad}{marks}", f" {text} ")


def longest_run(text: str) -> int:
    return max((len(run) for run in re.findall(r"`+", text)), default=0)


def _escaped(text: str) -> str:
    text = re.sub(r"&(?=#|[A-Za-z])", "&amp;", SPECIAL.sub(r"\\\1", text))
    text = text.replace("<", "&lt;").replace("|", "&#124;")
    return re.sub(r"(?<![A-Za-z0-9])_|_(?![A-Za-z0-9])", r"\\_", text)
