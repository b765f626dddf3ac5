"""What of a model's Markdown may be published on GitHub and shown? Read, and written anew. Pure.

The text is parsed, and only what is known to be harmless is written again, everything else as plain
words: so nothing gets through that nobody has thought of. What would act on GitHub stands in code
spans, where people can read it and nothing happens: mentions, addresses that are not allowed,
references to other repositories, what closes issues, commands of bots.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from urllib.parse import quote, unquote, urlsplit

from markdown_it import MarkdownIt
from markdown_it.tree import SyntaxTreeNode as Node

from agents.kit.characters import cleaned

MOST_READ = 20_000
MOST_WRITTEN = 50_000
"""Characters; GitHub takes 65,536."""
LEFT_OUT = "*The rest was left out.*"
LANGUAGES = frozenset(
    """bash c cpp csharp css dart diff docker dockerfile elixir erlang go graphql groovy haskell hcl
    html http ini java javascript js json jsx julia kotlin less lua make makefile markdown md nix
    ocaml perl php powershell proto python py r ruby rust sass scala scss sh shell sql svelte swift
    terraform text toml ts tsx typescript txt vue xml yaml yml zig""".split()  # noqa: SIM905 - words
)
"""Of fences. Others may be drawn: diagrams with links, maps, formulas, changes to accept."""

KEYWORD = re.compile(
    r"(?<![A-Za-z0-9])(?:(?:clos|fix|resolv|implement)[a-z]*|duplicates?(?:\s+of)?)[\W_]*\Z",
    re.IGNORECASE,
)
"""Before a reference it does something to the issue. Wider than what GitHub documents."""
REFERENCE = re.compile(
    r"(?P<repository>[\w.-]+(?:/[\w.-]+)?)?#\d+|#\Z|\bGH-\d+", re.ASCII | re.IGNORECASE
)
ADDRESS = re.compile(
    r"://|www\.|@(?:\w|\Z)|\b(?:mailto|xmpp|javascript|data|vbscript):", re.IGNORECASE
)
COMMAND = re.compile(r"/[A-Za-z][A-Za-z0-9_-]*")
COMMAND_LINE = re.compile(r"^(?=/[A-Za-z][A-Za-z0-9_-]*(?:[ \t]|$))", re.MULTILINE)
OPENING, CLOSING = "([{\"'*_~<", ")]}\"'*_~>.,;:!?"
ON_GITHUB = re.compile(
    r"/(?P<repository>[^/]+/[^/]+)/(?:issues|pull|pulls|discussions|commit|commits)(?:/|$)"
)
SPECIAL = re.compile(r"([\\`*\[\]~$])")
LINE_START = re.compile(r"^(#{1,6}(?=\s|$)|[-+=>:](?!\w)|[>=])|^(\d{1,9})([.)])(?=\s|$)")
SAFE_IN_PATH = "/._~%-"
SAFE_IN_QUERY = "=&._~%-+,;/"


def for_people(markdown: str, hosts: frozenset[str], repository: str | None) -> str:
    """The same in Markdown that does nothing but be read.

    Links and images go to `hosts` over https, and nowhere else; references to issues stay alive for
    `repository` ("owner/name") alone.
    """
    root = Node(_parser().parse(cleaned(markdown[:MOST_READ])))
    writer = _Writer(hosts, repository.lower() if repository else None)
    blocks: list[str] = []
    written = 0
    for child in root.children:
        block = "\n".join(writer.block(child))
        written += len(block) + 2
        if written > MOST_WRITTEN:
            blocks.append(LEFT_OUT)
            break
        blocks.append(block)
    else:
        if len(markdown) > MOST_READ:
            blocks.append(LEFT_OUT)
    return "\n\n".join(block for block in blocks if block.strip())


@cache
def _parser() -> MarkdownIt:
    # Without HTML, which is then words as any others.
    return MarkdownIt("commonmark", {"html": False}).enable(["table", "strikethrough"])


@dataclass(frozen=True, slots=True)
class _Piece:
    """A part of a line, with what a reader sees of it."""

    written: str
    seen: str
    code: bool = False


class _Writer:
    def __init__(self, hosts: frozenset[str], repository: str | None) -> None:
        self._hosts = hosts
        self._repository = repository

    # Blocks: lists of lines, without empty ones around them.

    def block(self, node: Node) -> list[str]:
        match node.type:
            case "paragraph":
                return self._paragraph(node)
            case "heading":
                line = " ".join(self._paragraph(node)).strip()
                return [f"{'#' * int(node.tag[1])} {line}".rstrip()]
            case "bullet_list" | "ordered_list":
                return self._list(node)
            case "blockquote":
                return [f"> {line}".rstrip() for line in self._blocks(node.children)] or [">"]
            case "fence" | "code_block":
                return self._code(node)
            case "hr":
                return ["***"]
            case "table":
                return self._table(node)
            case _:
                return []

    def _blocks(self, nodes: Sequence[Node]) -> list[str]:
        lines: list[str] = []
        for node in nodes:
            made = self.block(node)
            if not made:
                continue
            if lines:
                lines.append("")
            lines += made
        return lines

    def _paragraph(self, node: Node) -> list[str]:
        lines = self._inline(node).split("\n")
        return [_line(line) for line in lines if line.strip()]

    def _list(self, node: Node) -> list[str]:
        tight = all(
            child.hidden
            for item in node.children
            for child in item.children
            if child.type == "paragraph"
        )
        lines: list[str] = []
        start = int(node.attrs.get("start", 1)) if node.type == "ordered_list" else 0
        for number, item in enumerate(node.children, start):
            mark = f"{number}. " if node.type == "ordered_list" else "- "
            made = self._item(item, tight=tight)
            if lines and not tight:
                lines.append("")
            lines.append(f"{mark}{made[0] if made else ''}".rstrip())
            lines += [f"{' ' * len(mark)}{line}".rstrip() for line in made[1:]]
        return lines

    def _item(self, item: Node, *, tight: bool) -> list[str]:
        lines: list[str] = []
        for child in item.children:
            made = self.block(child)
            if lines and made and not tight:
                lines.append("")
            lines += made
        if lines and (box := re.match(r"\\\[([ xX])\\\](?= )", lines[0])):
            lines[0] = f"[{box[1]}]{lines[0][box.end() :]}"
        return lines

    def _code(self, node: Node) -> list[str]:
        info = node.info.split()[0].lower() if node.info.split() else ""
        text = _code_text(cleaned(node.content))
        # A bot takes a line of a command for one, wherever it stands.
        text = COMMAND_LINE.sub(" ", text).rstrip("\n")
        fence = "`" * max(3, _longest_run(text) + 1)
        language = info if info in LANGUAGES else ""
        return [f"{fence}{language}", *text.split("\n"), fence]

    def _table(self, node: Node) -> list[str]:
        rows = [
            [
                self._inline(cell).replace("\n", " ").replace("|", "\\|").strip()
                for cell in row.children
            ]
            for part in node.children
            for row in part.children
        ]
        if not rows or not rows[0]:
            return []
        lines = [f"| {' | '.join(row)} |" for row in rows]
        return [lines[0], f"|{' --- |' * len(rows[0])}", *lines[1:]]

    # Inline.

    def _inline(self, node: Node) -> str:
        return _joined(self._pieces(node.children, "", in_link=False))

    def _pieces(self, nodes: Sequence[Node], before: str, *, in_link: bool) -> list[_Piece]:
        """`before` is what a reader has seen of the block so far."""
        pieces: list[_Piece] = []
        for node in _with_text_joined(nodes):
            seen = before + "".join(piece.seen for piece in pieces)
            pieces += self._piece(node, seen[-80:], in_link=in_link)
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
            if not seen.strip():
                return [_Piece(f"<{address}>", address)]
            return [_Piece(f"[{_joined(inner).replace(chr(10), ' ').strip()}]({address})", seen)]
        shown = unquote(given)
        if given.lower().startswith(("http://", "https://")) and shown != seen:
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
                at_start = not before.strip(" ") or before.endswith("\n")
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
        if ADDRESS.search(word) or (at_start and COMMAND.fullmatch(word)):
            return True
        return any(
            KEYWORD.search(before + word[: found.start()])
            or (found["repository"] is not None and found["repository"].lower() != self._repository)
            for found in REFERENCE.finditer(word)
        )

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


def _code_text(text: str) -> str:
    """Nor may code hold what opens a comment: our own marks are found by it."""
    return text.replace("<!--", "<! --")


def _code_piece(text: str) -> _Piece:
    text = _code_text(" ".join(text.split("\n")))
    if not text.strip():
        return _Piece("", "")
    marks = "`" * (_longest_run(text) + 1)
    pad = " " if text[0] in "` " or text[-1] in "` " else ""
    return _Piece(f"{marks}{pad}{text}{pad}{marks}", text, code=True)


def _longest_run(text: str) -> int:
    return max((len(run) for run in re.findall(r"`+", text)), default=0)


def _escaped(text: str) -> str:
    text = re.sub(r"&(?=#|[A-Za-z])", "&amp;", SPECIAL.sub(r"\\\1", text))
    text = text.replace("<", "&lt;").replace("|", "&#124;")
    return re.sub(r"(?<![A-Za-z0-9])_|_(?![A-Za-z0-9])", r"\\_", text)


def _line(line: str) -> str:
    """So that its beginning makes no heading, list, quotation or rule of it."""
    line = line.strip()
    return LINE_START.sub(
        lambda found: f"{found[2]}\\{found[3]}" if found[2] else f"\\{found[0]}", line
    )
