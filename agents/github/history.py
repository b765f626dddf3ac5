"""The default branch: which commits it consists of, what each changed, and by which pull request.

GitHub's list is in the order of commit dates, so what a merge brings in stands deep below older
commits, and `since` would miss it. The walk goes from the head until every parent that was named is
there or was known before: then nothing is missing, whatever the dates say.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any
from urllib.parse import quote

from agents.github import rows
from agents.github.errors import RefusedError
from agents.github.lists import SIZE, items_of
from agents.github.store import Page, Reading, parsed
from agents.github.terms import Answer
from scheduler.sql import load_sql

sql = load_sql(__file__)

GONE = frozenset({404, 422})
NOTHING = GONE | {409}
"""GitHub's statuses for a branch that is not there, and a repository without a commit."""


async def read_commits(r: Reading) -> None:
    at = r.cursors.setdefault("commits", {"walks": 0})
    answer: Answer | None = None
    url: str | None = None
    for _ in r.pages("commits"):
        if "walk" not in at:
            url = f"{r.at}/commits?sha={quote(r.default_branch, safe='')}&per_page={SIZE}"
            answer = await _head(r, url)
            if answer is None:
                return
            at["walk"] = _begin(r, answer.data[0])
        walk = at["walk"]
        if answer is None:
            try:
                answer = await r.get(
                    f"{r.at}/commits?sha={walk['head']}&per_page={SIZE}&page={walk['page']}"
                )
            except RefusedError as error:
                if error.status not in GONE:
                    raise
                # Pushed away while the walk was under way: from the new head, all over.
                del at["walk"]
                r.etags.clear()
                async with r.page() as page:
                    await page.put(sql.forget_walk, walk=walk["number"])
                continue
        async with r.page(url, answer) as page:
            over = await _put(r, page, walk, items_of(answer.data), last=answer.next is None)
            if over:
                await _end(r, page, walk)
        if over:
            return
        answer = url = None


async def _head(r: Reading, url: str) -> Answer | None:
    """The first page, or None where the head is the one that is known."""
    try:
        answer = await r.get(url, conditional=True)
    except RefusedError as error:
        if error.status not in NOTHING:
            raise
        return None
    if answer.unchanged or not items_of(answer.data):
        return None
    if answer.data[0].get("sha") == r.head_sha:
        async with r.page(url, answer):
            return None
    return answer


def _begin(r: Reading, head: Any) -> dict[str, Any]:
    [row] = parsed("commits", rows.commit, [head])
    [tree] = parsed("commits", rows.tree, [head])
    return {
        "head": row["sha"],
        "tree": tree["sha"],
        "page": 1,
        "wanted": [row["sha"]],
        "number": r.cursors["commits"]["walks"] + 1,
        "met": r.head_sha is None,
    }


async def _put(
    r: Reading, page: Page, walk: dict[str, Any], items: list[Any], *, last: bool
) -> bool:
    """Keep what is new; whether the walk is over."""
    found = rows.unique(parsed("commits", rows.commit, items), lambda row: row["sha"])
    named = {row["sha"] for row in found} | {p for row in found for p in row["parents"]}
    known = {
        row["sha"]: row["before"]
        async for row in sql.known_commits(
            page.connection, project_id=page.project_id, shas=list(named), walk=walk["number"]
        )
    }
    here = {row["sha"] for row in found}
    wanted = set(walk["wanted"]) - here
    new = [row for row in found if not known.get(row["sha"])]
    for row in new:
        wanted.update(p for p in row["parents"] if p not in here and p not in known)
    # What is reached includes the old head: then nobody has rewritten the branch.
    reached = {row["sha"] for row in found} | {p for row in new for p in row["parents"]}
    walk["met"] = walk["met"] or r.head_sha in reached
    walk["wanted"] = sorted(wanted)
    walk["page"] += 1
    await page.put(sql.put_commits, rows=new, walk=walk["number"])
    since = datetime.fromisoformat(r.since)
    past = all(datetime.fromisoformat(row["committed_at"]) < since for row in found)
    return last or not wanted or past


async def _end(r: Reading, page: Page, walk: dict[str, Any]) -> None:
    head = walk["head"]
    if not walk["met"]:
        await page.put(sql.prune_commits, head_sha=head)
    await sql.set_head(page.connection, project_id=page.project_id, head_sha=head)
    r.head_sha = head
    r.cursors["commits"] = {"walks": walk["number"], "tree": walk["tree"]}
    r.cursors["lines"] = {**r.cursors.get("lines", {}), "walk": walk["number"]}


async def tie(r: Reading) -> None:
    """Give commits their pull requests; choose those whose lines have to be asked for."""
    at = r.cursors.get("lines", {})
    if "walk" not in at and not at.get("tie"):
        return
    walk = at.pop("walk", None)
    at.pop("tie", None)
    async with r.page() as page:
        await page.put(sql.tie_merges)
        if walk is not None:
            await page.put(sql.tie_branches, head_sha=r.head_sha)
            unknown = sql.unknown_lines(
                page.connection,
                project_id=page.project_id,
                walk=walk,
                size=r.bounds.commit_details,
            )
            chosen = [row["sha"] async for row in unknown]
            # Those of the walk before that no request was left for come after.
            left = [sha for sha in at.get("left", ()) if sha not in chosen]
            at["left"] = (chosen + left)[: r.bounds.commit_details]


async def read_lines(r: Reading) -> None:
    """Of single commits, one request each."""
    left: list[str] = r.cursors.get("lines", {}).get("left", [])
    while left:
        try:
            answer = await r.get(f"{r.at}/commits/{left[0]}")
            [row] = parsed("commits", rows.lines, [answer.data])
        except RefusedError as error:
            if error.status not in GONE:
                raise
            row = None
        sha = left.pop(0)
        async with r.page() as page:
            if row is not None:
                await sql.set_lines(page.connection, project_id=page.project_id, sha=sha, **row)
                page.changed += 1
