"""Which issues are no longer there? GitHub does not list what was deleted or transferred.

The repository tells how many are open. Where fewer are than we hold, the list of the open ones is
read, and those that it lacks are asked for one by one. A closed issue that is deleted later is not
noticed. Pull requests can be neither deleted nor transferred, but GitHub hides those of spammers.
"""

from __future__ import annotations

from agents.github import rows
from agents.github.errors import RefusedError
from agents.github.lists import SIZE, items_of
from agents.github.store import Reading, parsed
from scheduler.sql import load_sql

sql = load_sql(__file__)

MOST_PAGES = 20
MOST_ASKED = 50


async def find_gone(r: Reading) -> None:
    if r.open_issues is None or not (r.project.issues and r.project.pulls):
        return
    async with r.ctx.db.transaction() as connection:
        found = sql.open_numbers(connection, project_id=r.project.id)
        ours = {row["number"]: row["is_issue"] async for row in found}
    counts = [r.open_issues, len(ours)]
    if len(ours) <= r.open_issues or r.cursors.get("gone") == counts:
        return
    await _look_for_all(r, ours)
    # Once for these numbers: GitHub's count may lag behind for a while.
    r.cursors["gone"] = counts
    async with r.page():
        pass


async def _look_for_all(r: Reading, ours: dict[int, bool]) -> None:
    listed: set[int] = set()
    url: str | None = f"{r.at}/issues?state=open&sort=created&direction=asc&per_page={SIZE}"
    for _ in range(MOST_PAGES):
        answer = await r.get(str(url))
        listed.update(row["number"] for row in parsed("issues", rows.issue, items_of(answer.data)))
        url = answer.next
        if url is None:
            break
    else:
        return
    for number in sorted(set(ours) - listed)[:MOST_ASKED]:
        await _look(r, number, is_issue=ours[number])


async def _look(r: Reading, number: int, *, is_issue: bool) -> None:
    path = f"{r.at}/{'issues' if is_issue else 'pulls'}/{number}"
    gone = None
    try:
        answer = await r.get(path)
    except RefusedError as error:
        if error.status not in {404, 410}:
            raise
        gone = "deleted"
    else:
        if answer.moved:
            gone = "transferred"
    async with r.page() as page:
        if gone is not None and is_issue:
            await sql.set_gone(
                page.connection, project_id=page.project_id, number=number, gone=gone
            )
            await r.product.remove_issue(page.connection, number)
            page.changed += 1
        elif gone == "deleted":
            await sql.remove_pull(page.connection, project_id=page.project_id, number=number)
            await r.product.remove_pull(page.connection, number)
            page.changed += 1
        elif is_issue:
            found = parsed("issues", rows.issue, [answer.data])
            await page.put_issues(found)
            await r.product.put_issues(page.connection, found)
        else:
            found = parsed("pull requests", rows.pull, [answer.data])
            await page.put_pulls(found)
            await r.product.put_pulls(page.connection, found)
