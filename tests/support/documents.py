"""The project's documents, taken apart: blocks of code and whose they are, tables, links."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

from markdown_it import MarkdownIt
from markdown_it.token import Token

ROOT = Path(__file__).parents[2]
DOCUMENTS = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")])
FILE_NAME = re.compile(r"`([\w./-]+\.\w+)`:?")


@dataclass(frozen=True)
class Block:
    """A fenced block; `file` is the name in the paragraph right before it, `` `jobs/x.py`: ``."""

    document: Path
    line: int
    language: str
    text: str
    file: str | None

    def __str__(self) -> str:
        return f"{self.document.relative_to(ROOT)}:{self.line}"


def blocks(language: str, *documents: Path) -> list[Block]:
    return [
        block
        for document in documents or DOCUMENTS
        for block in _blocks(document)
        if block.language == language
    ]


def _blocks(document: Path) -> Iterator[Block]:
    before: Token | None = None
    for token in _tokens(document):
        if token.type == "fence":
            assert token.map is not None
            name = FILE_NAME.fullmatch(before.content) if before is not None else None
            yield Block(
                document,
                token.map[0] + 1,
                token.info.strip(),
                token.content,
                name[1] if name else None,
            )
        if token.type in {"fence", "inline"}:
            before = token


def table_rows(document: Path, header: str) -> list[list[str]]:
    """The cells of every table of the document whose first column has that header."""
    rows: list[list[str]] = []
    cells: list[str] = []
    wanted = False
    in_head = False
    for token in _tokens(document):
        match token.type:
            case "thead_open" | "thead_close":
                in_head = token.type == "thead_open"
            case "tr_open":
                cells = []
            case "inline":
                cells.append(token.content)
            case "tr_close" if in_head:
                wanted = bool(cells) and cells[0] == header
            case "tr_close" if wanted:
                rows.append(cells)
    return rows


def links(document: Path) -> list[str]:
    """Where the document points to, pictures too."""
    return [
        str(child.attrs["href" if child.type == "link_open" else "src"])
        for token in _tokens(document)
        for child in token.children or ()
        if child.type in {"link_open", "image"}
    ]


def anchors(document: Path) -> set[str]:
    """The names of the document's headings, as GitHub makes them."""
    tokens = _tokens(document)
    titles = (after.content for token, after in pairwise(tokens) if token.type == "heading_open")
    return {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in titles}


def code_words(text: str) -> list[str]:
    """What stands between backticks."""
    return re.findall(r"`([^`]+)`", text)


def _tokens(document: Path) -> list[Token]:
    return MarkdownIt("commonmark").enable("table").parse(document.read_text(encoding="utf-8"))
