"""How commands print: tables for people, JSON for programs."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any, TypeVar

import click

F = TypeVar("F")


def json_option(command: F) -> F:
    """The option `--json`, the same on every command that prints."""
    option = click.option("--json", "as_json", is_flag=True, help="Print JSON for programs.")
    return option(command)  # type: ignore[type-var]  # click's decorators take any callable


def print_json(value: object) -> None:
    click.echo(json.dumps(value, indent=2, default=_plain, ensure_ascii=False))


def print_table(columns: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    """A table on standard output; without a terminal, plain columns that are not cut off."""
    from rich import box
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    console = Console(soft_wrap=False, highlight=False)
    if not console.is_terminal:
        console = Console(width=400, highlight=False, color_system=None)
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, header_style="bold")
    for column in columns:
        table.add_column(column, overflow="fold")
    for row in rows:
        # As Text: what a job or a user wrote is never read as markup.
        table.add_row(*(Text(_words(cell)) for cell in row))
    console.print(table)


def _words(cell: object) -> str:
    if cell is None:
        return "-"
    if isinstance(cell, datetime):
        return moment_in_words(cell)
    return str(cell)


def moment_in_words(moment: datetime) -> str:
    return moment.strftime("%a %Y-%m-%d %H:%M:%S %Z")


def _plain(value: Any) -> object:
    if isinstance(value, datetime):
        return value.isoformat()
    return str(value)
