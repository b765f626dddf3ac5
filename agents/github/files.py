"""The README and what is under docs/, as the head has them; read again where hashes differ."""

from __future__ import annotations

import re
from typing import Any

from agents.github import rows
from agents.github.errors import GitHubError, RefusedError, TooLargeError
from agents.github.store import Reading, parsed
from scheduler.sql import load_sql

sql = load_sql(__file__)

README = re.compile(r"readme(\.(md|markdown|rst|txt|adoc|org))?", re.IGNORECASE)
TEXT = re.compile(r".*\.(md|mdx|markdown|rst|txt|adoc|org)", re.IGNORECASE | re.DOTALL)
MOST = 50
"""Files; those nearest to the top first."""


async def read_files(r: Reading) -> None:
    tree = r.cursors.get("commits", {}).get("tree")
    at = r.cursors.setdefault("files", {})
    if tree is None or at.get("tree") == tree:
        return
    top = await _entries(r, tree)
    wanted = {
        e["path"]: e["sha"] for e in top if e["type"] == "blob" and README.fullmatch(e["path"])
    }
    docs = next((e["sha"] for e in top if e["type"] == "tree" and e["path"] == "docs"), None)
    async with r.ctx.db.transaction() as connection:
        found = sql.known_files(connection, project_id=r.project.id)
        known = {row["path"]: row["sha"] async for row in found}
    if docs is not None and docs == at.get("docs"):
        wanted |= {path: sha for path, sha in known.items() if path.startswith("docs/")}
    elif docs is not None:
        under = [
            (f"docs/{e['path']}", e["sha"])
            for e in await _entries(r, f"{docs}?recursive=1")
            if e["type"] == "blob" and TEXT.fullmatch(e["path"]) and e["size"] <= rows.BYTES_FILE
        ]
        under.sort(key=lambda file: (file[0].count("/"), file[0]))
        wanted |= dict(under[: MOST - len(wanted)])
    for path, sha in sorted(wanted.items()):
        if known.get(path) != sha:
            await _read(r, path, sha)
    at["tree"], at["docs"] = tree, docs
    async with r.page() as page:
        await page.put(sql.keep_files, paths=list(wanted))


async def _read(r: Reading, path: str, sha: str) -> None:
    try:
        answer = await r.get(f"{r.at}/git/blobs/{sha}")
        [row] = parsed("files", lambda blob: rows.file(path, sha, blob), [answer.data])
    except TooLargeError:
        row = {"path": path, "sha": sha, "size": rows.BYTES_FILE + 1, "text": None}
    async with r.page() as page:
        await sql.put_file(page.connection, project_id=page.project_id, **row)
        page.changed += 1


async def _entries(r: Reading, tree: str) -> list[Any]:
    """Of one tree; none where it is gone or has no end."""
    try:
        answer = await r.get(f"{r.at}/git/trees/{tree}")
    except TooLargeError:
        return []
    except RefusedError as error:
        if error.status not in {404, 409, 422}:
            raise
        return []
    try:
        entries = answer.data["tree"]
    except (KeyError, TypeError):
        raise GitHubError("GitHub's tree is not as documented") from None
    # What has a name that cannot be kept as it is, is left out.
    return [e for e in parsed("trees", rows.entry, entries) if e["path"] is not None]
