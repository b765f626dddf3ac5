"""How does a suggestion become something to do in the product, whichever columns that has?"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any
from uuid import UUID

from scheduler.job import Connection
from scheduler.sql import load_sql

sql = load_sql(__file__)

LEAST = frozenset({"id", "project_id", "title"})


def why_no_todo(tables: Mapping[str, frozenset[str]]) -> str | None:
    """Why the product cannot have one."""
    lacking = LEAST - tables.get("todos", frozenset())
    if not lacking:
        return None
    if "todos" not in tables:
        return "the product has no table todos"
    return f"the product's todos have no {', '.join(sorted(lacking))}"


async def add_todo(
    connection: Connection,
    tables: Mapping[str, frozenset[str]],
    *,
    todo: UUID,
    project: UUID,
    title: str,
    body: str,
    action: Mapping[str, Any],
    now: datetime,
) -> None:
    """Once for each id. What the product does not say, its own defaults do."""
    await sql.add(connection, todo=todo, project=project, title=title)
    columns = {
        "description": (sql.set_description, body),
        "date_created": (sql.set_created, now),
        "date_updated": (sql.set_updated, now),
        "github_pr_number": (sql.set_pull, action.get("pull")),
        "github_issue_number": (sql.set_issue, action.get("issue")),
    }
    for column, (query, value) in columns.items():
        if column in tables["todos"] and value is not None:
            await query(connection, todo=todo, value=value)
