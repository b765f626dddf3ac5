"""What was measured, against which floor, and is it within its budget?"""

from __future__ import annotations

from dataclasses import dataclass

from rich.console import Console
from rich.table import Table


@dataclass(frozen=True, slots=True)
class Result:
    """`ours` and `floor` are in `unit`. `budget` bounds the ratio, or `limit` bounds `ours`."""

    what: str
    ours: float
    floor: float
    unit: str
    budget: float | None = None
    limit: float | None = None
    more_is_better: bool = False
    note: str = ""

    @property
    def ratio(self) -> float:
        return self.ours / self.floor

    @property
    def within(self) -> bool | None:
        """None where there is no budget."""
        value, bound = (self.ratio, self.budget) if self.budget else (self.ours, self.limit)
        if bound is None:
            return None
        return value >= bound if self.more_is_better else value <= bound

    @property
    def bound(self) -> str:
        sign = "≥" if self.more_is_better else "≤"
        if self.budget:
            return f"{sign} {self.budget:g} ×"
        return f"{sign} {self.limit:g} {self.unit}" if self.limit else ""


def print_results(results: list[Result]) -> None:
    table = Table(title="lamplighter, beside its floors")
    for name in ("what", "ours", "floor", "ratio", "budget", ""):
        table.add_column(name, justify="left" if name in {"what", ""} else "right")
    for result in results:
        verdict = {None: "", True: "[green]ok[/]", False: "[red]MISSED[/]"}[result.within]
        table.add_row(
            result.what,
            f"{result.ours:,.3g} {result.unit}" if result.ours < 1000 else f"{result.ours:,.0f}",
            f"{result.floor:,.3g}" if result.floor < 1000 else f"{result.floor:,.0f}",
            f"{result.ratio:.2f} ×",
            result.bound,
            verdict,
        )
    console = Console()
    console.print(table)
    for result in results:
        if result.note:
            console.print(f"{result.what}: {result.note}", highlight=False)
