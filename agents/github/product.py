"""What of GitHub goes into the product's own tables, where it has them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from agents.github.rows import Row
from scheduler.job import Connection
from scheduler.sql import load_sql

sql = load_sql(__file__)

BOTH = frozenset(
    {
        *("id", "project_id", "title", "body", "state", "created_by_github_user", "labels"),
        *("created_by_github_avatar", "milestone", "html_url", "api_url", "github_created_at"),
        *("github_updated_at", "github_closed_at", "synced_at", "date_created", "date_updated"),
    }
)
ISSUES = BOTH | {
    *("github_issue_id", "github_issue_node_id", "assigned_to_github_user", "comments_count"),
    "reactions_count",
}
PULLS = BOTH | {
    *("github_pr_id", "github_pr_node_id", "draft", "head_branch", "base_branch", "head_sha"),
    *("reviewers", "diff_url", "additions", "deletions", "changed_files", "merged"),
    *("merged_by_github_user", "github_merged_at"),
}


@dataclass(frozen=True)
class ProductTables:
    """A table that the product lacks, or has in another form, is left alone."""

    tables: Mapping[str, frozenset[str]]
    project_id: UUID
    now: datetime

    @property
    def has_issues(self) -> bool:
        return self.tables.get("project_github_issues", frozenset()) >= ISSUES

    @property
    def has_pulls(self) -> bool:
        return self.tables.get("project_github_prs", frozenset()) >= PULLS

    async def put_issues(self, connection: Connection, rows: Sequence[Row]) -> None:
        if rows and self.has_issues:
            await sql.put_issues(
                connection, project_id=self.project_id, rows=list(rows), now=self.now
            )

    async def put_pulls(self, connection: Connection, rows: Sequence[Row]) -> None:
        if rows and self.has_pulls:
            await sql.put_pulls(
                connection, project_id=self.project_id, rows=list(rows), now=self.now
            )

    async def set_details(self, connection: Connection, number: int) -> None:
        if self.has_pulls:
            await sql.set_details(
                connection, project_id=self.project_id, number=number, now=self.now
            )

    async def remove_issue(self, connection: Connection, number: int) -> None:
        if self.has_issues:
            await sql.remove_issue(connection, project_id=self.project_id, number=number)

    async def remove_pull(self, connection: Connection, number: int) -> None:
        if self.has_pulls:
            await sql.remove_pull(connection, project_id=self.project_id, number=number)

    async def forget(self, connection: Connection) -> None:
        """What is there of a repository that is no longer the project's."""
        if self.has_issues:
            await sql.forget_issues(connection, project_id=self.project_id)
        if self.has_pulls:
            await sql.forget_pulls(connection, project_id=self.project_id)

    async def set_synced(self, connection: Connection) -> None:
        if "github_last_synced_at" in self.tables.get("projects", frozenset()):
            await sql.set_synced(connection, project_id=self.project_id, now=self.now)
