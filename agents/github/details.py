"""What a pull request's own pages tell: reviews, when it became ready, who merged it, its files.

Its timeline has the first three in one request. Files are asked for again only after a push.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

from agents.github import rows
from agents.github.errors import RefusedError, TooLargeError
from agents.github.lists import SIZE, items_of
from agents.github.store import Reading, parsed
from scheduler.job import Row
from scheduler.sql import load_sql

sql = load_sql(__file__)

STRETCH = 50
MOST_PAGES = 10
"""Of one timeline, or of one list of files (1,000)."""


async def read_details(r: Reading) -> None:
    while waiting := await _waiting(r):
        for pull in waiting:
            await _read(r, pull)


async def _waiting(r: Reading) -> list[Row]:
    async with r.ctx.db.transaction() as connection:
        found = sql.waiting_pulls(connection, project_id=r.project.id, size=STRETCH)
        return [row async for row in found]


async def _read(r: Reading, pull: Row) -> None:
    number = pull["number"]
    events, whole = await _pages(r, f"{r.at}/issues/{number}/timeline")
    files: list[Any] | None = None
    if pull["head_sha"] is None or pull["head_sha"] != pull["files_for"]:
        files, all_files = await _pages(r, f"{r.at}/pulls/{number}/files")
        files = files if all_files else None
    reviews = parsed(
        "reviews",
        lambda event: rows.review(event, number),
        # Of reviews that are not sent off yet there is no time.
        [e for e in events if e.get("event") == "reviewed" and e.get("submitted_at")],
    )
    [told] = parsed("timelines", _told, [events])
    async with r.page() as page:
        await page.put(
            sql.put_reviews,
            pull=number,
            whole=whole,
            rows=rows.unique(reviews, lambda row: row["id"]),
        )
        await sql.set_events(
            page.connection,
            project_id=page.project_id,
            number=number,
            updated_at=pull["updated_at"],
            **told,
        )
        if files is not None:
            [lines] = parsed("files", _lines, [files])
            await sql.set_files(
                page.connection,
                project_id=page.project_id,
                number=number,
                head_sha=pull["head_sha"],
                **lines,
            )
        await r.product.set_details(page.connection, number)
        r.cursors.setdefault("lines", {})["tie"] = True
        page.changed += 1


async def _pages(r: Reading, path: str) -> tuple[list[Any], bool]:
    """All entries, and whether these are all that there are."""
    found: list[Any] = []
    url: str | None = f"{path}?per_page={SIZE}"
    for _ in range(MOST_PAGES):
        try:
            answer = await r.get(str(url))
        except (RefusedError, TooLargeError) as error:
            # This one is gone, or has no end of changes: the others are to be read all the same.
            if isinstance(error, RefusedError) and error.status not in {404, 410, 422}:
                raise
            return found, False
        found += items_of(answer.data)
        url = answer.next
        if url is None:
            return found, True
    return found, False


def _told(events: list[Any]) -> rows.Row:
    ready_at: datetime | None = None
    merged_by: str | None = None
    for event in events:
        match event.get("event"):
            case "ready_for_review":
                ready_at = datetime.fromisoformat(event["created_at"])
            case "convert_to_draft":
                ready_at = None
            case "merged":
                merged_by = rows.clean((event.get("actor") or {}).get("login"), 100)
            case _:
                continue
    return {"ready_at": ready_at, "merged_by": merged_by}


def _lines(files: list[Any]) -> rows.Row:
    return {
        "additions": sum(int(file["additions"]) for file in files),
        "deletions": sum(int(file["deletions"]) for file in files),
        "changed_files": len(files),
        "files": rows.paths(files),
    }
