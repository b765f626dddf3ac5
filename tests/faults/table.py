"""Writes what a run of the faults has measured into docs/reliability.md.

python -m tests.faults.table RECORD
"""

from __future__ import annotations

import json
import os
import platform
import sys
from datetime import UTC, datetime
from pathlib import Path

DOCUMENT = Path(__file__).parents[2] / "docs" / "reliability.md"
BEGIN, END = "<!-- table -->", "<!-- end of the table -->"


def table(lines: list[str], at: datetime) -> str:
    """One row a fault, in the order in which they were tried; the last result of each counts."""
    rows = {row["fault"]: row for row in map(json.loads, lines)}
    machine = f"{os.cpu_count()} cores, {platform.system()}, Python {platform.python_version()}"
    written = [
        f"Made on {at:%Y-%m-%d} by `make faults`: {machine}.",
        "",
        "| fault | trials | must hold | result | measured |",
        "|---|---|---|---|---|",
    ]
    for row in rows.values():
        figures = "; ".join(f"{name}: {value}" for name, value in row["figures"].items())
        result = "held" if row["passed"] else "**broke**"
        written.append(
            f"| {row['fault']} | {row['trials']:,} | {row['rule']} | {result} | {figures or '–'} |"
        )
    return "\n".join(written)


def put(document: str, made: str) -> str:
    head, _, rest = document.partition(BEGIN)
    _, _, tail = rest.partition(END)
    return f"{head}{BEGIN}\n{made}\n{END}{tail}"


def main() -> None:
    lines = Path(sys.argv[1]).read_text(encoding="utf-8").splitlines()
    document = DOCUMENT.read_text(encoding="utf-8")
    DOCUMENT.write_text(put(document, table(lines, datetime.now(UTC))), encoding="utf-8")


if __name__ == "__main__":
    main()
