"""Issues, pull requests, comments, releases, milestones, labels: what has changed since last time.

Lists that can be asked by `since` are read in the order of their changes, each page beginning
where the one before it ended: whatever changes meanwhile moves to the end and is met there, so that
nothing is passed over. The last page is asked for again the next time, when GitHub mostly says that
it has not changed.
"""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from typing import Any, TypeAlias

from agents.github import rows
from agents.github.errors import GitHubError, RefusedError
from agents.github.store import Page, Reading, parsed
from scheduler.sql import Query, load_sql

sql = load_sql(__file__)

Put: TypeAlias = Callable[[Page, list[Any]], Awaitable[None]]

SIZE = 100
MOST_PAGES = 10
"""Of lists that are read as a whole: 1,000 releases, milestones, labels."""
BEGINNING = "1970-01-01T00:00:00Z"
TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", re.ASCII)


async def read_issues(r: Reading) -> None:
    async def put(page: Page, items: list[Any]) -> None:
        found = parsed("issues", rows.issue, [i for i in items if "pull_request" not in i])
        found = rows.unique(found, lambda row: row["number"])
        if await page.put_issues(found):
            r.cursors["comments"]["due"] = True
        await r.product.put_issues(page.connection, found)

    r.cursors.setdefault("comments", {"since": r.since, "page": 1, "due": True})
    with _if_turned_on():
        await _walk(r, "issues", f"{r.at}/issues", "state=all&", put)


async def read_open(r: Reading) -> None:
    """Once: what is still open and has not changed for longer than the data goes back."""

    async def put(page: Page, items: list[Any]) -> None:
        old = [item for item in items if changed_at(item) < at["until"]]
        issues = parsed("issues", rows.issue, [i for i in old if "pull_request" not in i])
        pulls = parsed("issues", rows.pull, [i for i in old if "pull_request" in i])
        await page.put_issues(issues)
        await r.product.put_issues(page.connection, issues)
        if r.project.pulls:
            await page.put_pulls(pulls)
            await r.product.put_pulls(page.connection, pulls)

    at = r.cursors.setdefault("open", {"since": BEGINNING, "page": 1, "until": r.since})
    if at.get("done"):
        return
    with _if_turned_on():
        await _walk(r, "open", f"{r.at}/issues", "state=open&", put, until=at["until"])
    at["done"] = True
    async with r.page():
        pass


async def read_comments(r: Reading, name: str, path: str, kind: str) -> None:
    """Only where an issue or a pull request has changed: a comment changes what it is about."""

    async def put(page: Page, items: list[Any]) -> None:
        found = parsed("comments", lambda item: rows.comment(item, kind), items)
        await page.put(sql.put_comments, rows=rows.unique(found, lambda row: row["id"]))

    at = r.cursors.setdefault(name, {"since": r.since, "page": 1, "due": True})
    if not at["due"]:
        r.asked.add(_since_url(f"{r.at}/{path}", "", at))
        return
    with _if_turned_on():
        await _walk(r, name, f"{r.at}/{path}", "", put)
    r.cursors[name]["due"] = False
    async with r.page():
        pass


@contextmanager
def _if_turned_on() -> Iterator[None]:
    """A repository may have no issues, and then some of what belongs to them is 410."""
    try:
        yield
    except RefusedError as error:
        if error.status != 410:
            raise


async def _walk(
    r: Reading, name: str, path: str, query: str, put: Put, until: str | None = None
) -> None:
    at = r.cursors.setdefault(name, {"since": r.since, "page": 1})
    for _ in r.pages(name):
        since, number = at["since"], at["page"]
        url = _since_url(path, query, at)
        answer = await r.get(url, conditional=until is None)
        if answer.unchanged:
            return
        items = items_of(answer.data)
        last = changed_at(items[-1]) if items else since
        over = answer.next is None or (until is not None and last >= until)
        if not over:
            at["since"] = max(last, since)
            at["page"] = 1 if last > since else number + 1
        elif number > 1:
            at["since"], at["page"] = max(last, since), 1
        async with r.page(url, answer if over and number == 1 and until is None else None) as page:
            await put(page, items)
        if over:
            return


def _since_url(path: str, query: str, at: dict[str, Any]) -> str:
    url = f"{path}?{query}sort=updated&direction=asc&per_page={SIZE}&since={at['since']}"
    return f"{url}&page={at['page']}" if at["page"] > 1 else url


async def read_pulls(r: Reading) -> None:
    """From the latest change back to where the last walk began."""
    r.cursors.setdefault("comments", {"since": r.since, "page": 1, "due": True})
    r.cursors.setdefault("review_comments", {"since": r.since, "page": 1, "due": True})
    at = r.cursors.setdefault("pulls", {"mark": r.since})
    for _ in r.pages("pull requests"):
        number = at["walk"]["page"] if "walk" in at else 1
        url = f"{r.at}/pulls?state=all&sort=updated&direction=desc&per_page={SIZE}"
        url += f"&page={number}" if number > 1 else ""
        answer = await r.get(url, conditional=number == 1)
        if answer.unchanged:
            return
        items = items_of(answer.data)
        top = at["walk"]["top"] if "walk" in at else _latest(items, at["mark"])
        fresh = [item for item in items if changed_at(item) >= at["mark"]]
        over = answer.next is None or len(fresh) < len(items)
        if over:
            at.pop("walk", None)
        else:
            at["walk"] = {"top": top, "page": number + 1}
        found = rows.unique(parsed("pull requests", rows.pull, fresh), lambda row: row["number"])
        if over:
            at["mark"] = top
        async with r.page(url if number == 1 else None, answer) as page:
            if await page.put_pulls(found):
                r.cursors["comments"]["due"] = r.cursors["review_comments"]["due"] = True
            await r.product.put_pulls(page.connection, found)
        if over:
            return


async def read_lists(r: Reading) -> None:
    with _if_turned_on():
        await _list(r, "milestones", "state=all&", rows.milestone, "number", sql.replace_milestones)
    await _list(r, "labels", "", rows.label, "name", sql.replace_labels)
    await _list(r, "releases", "", rows.release, "id", sql.replace_releases, newest_first=True)


async def _list(
    r: Reading,
    name: str,
    query: str,
    parse: Callable[[Any], rows.Row],
    key: str,
    replace: Query,
    *,
    newest_first: bool = False,
) -> None:
    """A list without times: all of it, or of one that begins with the newest the first page."""
    url: str | None = f"{r.at}/{name}?{query}per_page={SIZE}"
    begun = url
    first = name not in r.cursors
    answer = await r.get(str(url), conditional=True)
    if answer.unchanged:
        return
    items = items_of(answer.data)
    pages = 1
    url = answer.next
    while url is not None and pages < MOST_PAGES and (first or not newest_first):
        more = await r.get(url)
        items += items_of(more.data)
        url = more.next
        pages += 1
    found = rows.unique(parsed(name, parse, items), lambda row: row[key])
    r.cursors[name] = {"pages": pages}
    keep = newest_first or pages == 1
    async with r.page(begun, answer if keep else None) as page:
        await page.put(replace, rows=found, whole=url is None)


def items_of(data: Any) -> list[Any]:
    if not isinstance(data, list) or not all(isinstance(item, dict) for item in data):
        raise GitHubError("GitHub's answer is no list")
    return data


def _latest(items: list[Any], otherwise: str) -> str:
    return max([otherwise, *map(changed_at, items)])


def changed_at(item: dict[str, Any]) -> str:
    """As GitHub writes it: of one length and zone, so that texts compare as times do."""
    found = item.get("updated_at")
    if not isinstance(found, str) or not TIME.fullmatch(found):
        raise GitHubError("GitHub's list says no time of change")
    return found
