"""Does a text that is kept in any column of any table stay text on every page?"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urldefrag

import aiohttp
import asyncpg
import pytest

from scheduler.sql import load_sql
from tests.faults.attacks.target import GROWTH, MAY_BE_SAID, attacked
from tests.faults.attacks.test_without_right import Site
from tests.faults.conftest import Report, trials
from tests.support.machine import connect
from tests.web.hostile import PAYLOADS, broken_by
from tests.web.looking import Seen

MARK = "zqxj"
"""Begins every text that is put into the database; no page has it of its own."""
HOSTILE = (
    *PAYLOADS,
    "</textarea></select></option></pre></code><svg/onload=alert(1)>",
    "<math><mtext></form><form><mglyph><style></math><img src onerror=alert(1)>",
    "`${7777*7777}` {{7777*7777}} <%= 7777*7777 %> #{7777*7777}",
    "{% for x in ().__class__.__mro__ %}{{ x }}{% endfor %}",
    "'; DROP TABLE app_users; -- \" OR 1=1 /*",
    "../../../../etc/passwd",
    "[a](javascript:alert(1)) ![b](https://evil.example/c.png) <https://evil.example>",
)
OURS = frozenset(
    """html head meta title link script body a header img span nav ul li form input button main p h1
    h2 h3 h4 h5 h6 div section article dl dt dd table caption thead tbody tr th td label select
    option optgroup textarea details summary fieldset legend small b i bdi code pre em strong time
    svg text g rect line path circle polyline polygon desc defs footer dialog figure figcaption ol
    hr s blockquote br abbr output progress meter noscript tfoot colgroup col datalist""".split()  # noqa: SIM905
)
SAMPLE = "a href=https://github.com/lamplighter-demo/lantern"
"""Where links of the sample repository lead, and may."""
MOST_PAGES, MOST_ALIKE = trials(160, 60), trials(15, 5)
pytestmark = pytest.mark.timeout(1200)


async def fill(dsn: str, payload: str) -> int:
    """Put the payload into every column of text that takes it; how many did.

    What holds an id, a date, or a word of a fixed set refuses it, and keeps what it has.
    """
    filled = 0
    async with connect(dsn) as connection:
        sql = load_sql(__file__, schema=None, table=None, column=None)
        await sql.no_triggers(connection)
        await sql.begin_chance(connection)
        columns = [dict(row) async for row in sql.text_columns(connection)]
        for column in columns:
            for text in (f"{MARK} {payload}", payload[:40], payload[:18]):
                one = load_sql(
                    __file__,
                    schema=column["schema"],
                    table=column["table"],
                    column=column["column"],
                )
                query = {"text": one.put_text, "jsonb": one.put_json, "_text": one.put_list}
                try:
                    async with connection.transaction():
                        status = await query[column["type"]](connection, text=text)
                    filled += not status.endswith(" 0")
                    break
                except asyncpg.PostgresError:
                    continue
    return filled


def wrong_in(page: str) -> Iterator[str]:
    """What of a page is none of ours."""
    seen = Seen.of(page)
    yield from (f"<{tag}>" for tag in seen.tags - OURS)
    yield from (one for one in broken_by(page) if SAMPLE not in one)
    for name in seen.attributes:
        if name.startswith("on") or name in {
            "style",
            "srcdoc",
            "formaction",
            "autofocus",
            "http-equiv",
        }:
            yield f"attribute {name}"
    if "60481729" in page:
        yield "a template was worked out"


async def crawl(site: Site) -> tuple[dict[str, str], dict[str, int]]:
    """Every page that can be reached, and its status."""
    waiting, pages, statuses = ["/"], dict[str, str](), dict[str, int]()
    heads: dict[str, int] = {}
    while waiting and len(pages) < MOST_PAGES:
        path = waiting.pop(0)
        if path in statuses:
            continue
        # Rows by the hundred have a page each: some of each kind are enough.
        parts = path.partition("?")[0].split("/")
        head = f"{parts[1]} {len(parts)}"
        heads[head] = heads.get(head, 0) + 1
        if heads[head] > MOST_ALIKE:
            continue
        status, headers, text = await site.call("GET", path, headers={"Cookie": site.cookie})
        statuses[path] = status
        if not headers.get("Content-Type", "").startswith("text/html"):
            continue
        pages[path] = text
        links = [urldefrag(link).url for link in Seen.of(text).links]
        waiting += [link for link in links if link.startswith("/") and not link.startswith("//")]
    return pages, statuses


async def test_every_text_stays_text(peopled: str, tmp_path: Path, report: Report) -> None:
    payloads = HOSTILE[: trials(len(HOSTILE), 1)]
    wrong, looked, filled, marked = [], 0, 0, 0
    async with attacked(tmp_path, peopled) as target:
        memory = target.megabytes
        async with aiohttp.ClientSession(cookie_jar=aiohttp.DummyCookieJar()) as session:
            site = Site(target, session)
            await site.log_in()
            for payload in payloads:
                filled = max(filled, await fill(peopled, payload))
                pages, statuses = await crawl(site)
                looked += len(pages)
                marked += sum(MARK in page for page in pages.values())
                wrong += [
                    f"{path}: {one}" for path, page in pages.items() for one in wrong_in(page)
                ]
                wrong += [
                    f"{path}: {status}"
                    for path, status in statuses.items()
                    if status >= 500 and status not in MAY_BE_SAID
                ]
        report.of(
            "hostile text in every text column of every table, all pages crawled",
            len(payloads),
            "no element, attribute, address or template of it; no 5xx",
        )
        report.figures.update(
            {
                "columns": str(filled),
                "pages looked at": f"{looked:,}",
                "memory": f"{target.megabytes - memory:+.1f} MB",
            }
        )
        assert not wrong, "\n".join(sorted(set(wrong))[:40])
        assert filled > 100
        assert marked > 10 * len(payloads), marked
        assert looked > 20 * len(payloads)
        assert target.megabytes - memory < GROWTH
        target.is_well()
