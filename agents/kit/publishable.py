"""What of a model's Markdown may be published on GitHub and shown? Read, and written anew. Pure.

The text is parsed, and only what is known to be harmless is written again, everything else as plain
words: so nothing gets through that nobody has thought of. Here are the blocks; their lines are in
`inline`.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import cache
from typing import TYPE_CHECKING

from agents.kit.characters import cleaned
from agents.kit.inline import InlineWriter, code_text, longest_run

if TYPE_CHECKING:
    from markdown_it import MarkdownIt
    from markdown_it.tree import SyntaxTreeNode as Node

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

LINE_START = re.compile(r"^(#{1,6}(?=\s|$)|[-+=>:](?!\w)|[>=])|^(\d{1,9})([.)])(?=\s|$)")
COMMAND_LINE = re.compile(r"^(?=/[A-Za-z][A-Za-z0-9_-]*(?:[ \t]|$))", re.MULTILINE)


def for_people(markdown: str, hosts: frozenset[str], repository: str | None) -> str:
    """The same in Markdown that does nothing but be read.

    Links and images go to `hosts` over https, and nowhere else; references to issues stay alive for
    `repository` ("owner/name") alone.
    """
    from markdown_it.tree import SyntaxTreeNode

    root = SyntaxTreeNode(_parser().parse(cleaned(markdown[:MOST_READ])))
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
    from markdown_it import MarkdownIt

    # Without HTML, which is then words as any others.
    return MarkdownIt("commonmark", {"html": False}).enable(["table", "strikethrough"])


class _Writer:
    def __init__(self, hosts: frozenset[str], repository: str | None) -> None:
        self._inline = InlineWriter(hosts, repository)

    def block(self, node: Node) -> list[str]:
        """Its lines, without empty ones around them."""
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
        lines = self._inline.line(node).split("\n")
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
        text = code_text(cleaned(node.content))
        # A bot takes a line of a command for one, wherever it stands.
        text = COMMAND_LINE.sub(" ", text).rstrip("\n")
        self._inline.see(text)
        fence = "`" * max(3, longest_run(text) + 1)
        language = info if info in LANGUAGES else ""
        return [f"{fence}{language}", *text.split("\n"), fence]

    def _table(self, node: Node) -> list[str]:
        rows = [
            [
                self._inline.line(cell).replace("\n", " ").replace("|", "\\|").strip()
                for cell in row.children
            ]
            for part in node.children
            for row in part.children
        ]
        if not rows or not rows[0]:
            return []
        lines = [f"| {' | '.join(row)} |" for row in rows]
        return [lines[0], f"|{' --- |' * len(rows[0])}", *lines[1:]]


def _line(line: str) -> str:
    """So that its beginning makes no heading, list, quotation or rule of it."""
    line = line.strip()
    return LINE_START.sub(
        lambda found: f"{found[2]}\\{found[3]}" if found[2] else f"\\{found[0]}", line
    )
