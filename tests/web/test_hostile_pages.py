"""Does text of strangers, of models and of settings stay text on the pages of the agents?"""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import timedelta
from urllib.parse import quote

import pytest

from tests.support.agents import Bench, bench_on
from tests.support.machine import START
from tests.web.browsing import logged_in
from tests.web.looking import Seen
from tests.web.site import OpenSite
from tests.web.test_project_pages import fetched, insert, measured, said, visited

PAYLOADS = [
    "<script>alert(1)</script>",
    "<img src=x onerror=alert(1)>",
    "</textarea></title></select></option><script>alert(1)</script>",
    '" autofocus onfocus=alert(1) x="',
    "' onmouseover='alert(1)",
    "<svg/onload=alert(1)><style>*{display:none}</style>",
    "<form action=https://evil.example/><button>Log in</button></form>",
    "<a href=javascript:alert(1)>here</a> [here](javascript:alert(1))",
    "<meta http-equiv=refresh content=0;url=https://evil.example/>",
    "{{ 7 * 7 }} {% raw %} ${7*7} <%= 7*7 %>",
    "<!-- --><iframe src=//evil.example></iframe>",
    "&lt;script&gt;alert(1)&lt;/script&gt;",
    "\u202e\u2066 txt.exe \u0000".replace("\u0000", "") + "<b>x</b>",
    "x" * 2_000 + "<i>y</i>",
]
TAGS = frozenset(
    """html head meta title link script body a header img span nav ul li form input button main p h1
    h2 h3 h4 h5 h6 div section article dl dt dd table caption thead tbody tr th td label select
    option textarea details summary fieldset legend small b i bdi code pre em strong time svg text
    rect line path footer dialog figure figcaption ol hr s blockquote br""".split()  # noqa: SIM905
)


@pytest.fixture
async def bench(database: str) -> AsyncIterator[Bench]:
    async with bench_on(database) as made:
        made.now = START
        yield made


@pytest.mark.parametrize("payload", PAYLOADS, ids=range(len(PAYLOADS)))
async def test_it_stays_text(site: OpenSite, bench: Bench, payload: str) -> None:
    browser = await logged_in(await site())
    pool = bench.product.pool
    made = await bench.one()
    evidence = [
        {
            **dict.fromkeys(("ref", "version", "title", "author", "association"), payload),
            "url": f"javascript:alert('{payload}')",
        }
    ]
    await pool.execute(
        "UPDATE lamplighter.suggestions SET status = 'publish_failed', title = $1, body = $1,"
        " agent = $1, kind = $1, evidence = $2, scores = $3, action = $4, decided_by = $1,"
        " decision_reason = $1, publish_error = $1, published_url = $1",
        payload,
        evidence,
        {payload: {"score": 0.5, "evidence": payload}},
        {"type": "review", "repository": payload, "number": payload},
    )
    for action in ("edited", "approved"):
        await insert(
            bench,
            "suggestion_events",
            suggestion_id=made,
            at=START,
            action=action,
            by=payload,
            source=payload,
            reason=payload,
            detail={"title": payload, "body": payload},
        )
    await pool.execute(
        "UPDATE projects SET name = $1, github_repo = $1, status = 'archived'", payload[:250]
    )
    await fetched(
        bench,
        full_name=payload,
        html_url=f"javascript:{payload}",
        moved_to=payload,
        default_branch=payload,
        error=payload,
        error_at=START,
    )
    await measured(
        bench,
        0,
        trend=payload,
        components={payload: {"value": 1, "points": 50, "weight": 10, "threshold": 5}},
    )
    rejected = [{"title": payload, "reason": payload}]
    unit = await visited(bench, 1, "failed", error=payload)
    await said(bench, unit, payload, "failed", reason=payload, rejected=rejected, suggestions=1)
    await insert(
        bench,
        "agent_settings",
        project_id=bench.project,
        agent="tester",
        settings={"model": "a<b>\"'&", "frequency_hours": payload},
        updated_at=START,
        updated_by=payload,
    )
    await insert(
        bench,
        "github_quota",
        token_hash="0123456789abcdef",
        resource=payload,
        **{'"limit"': 5000},
        remaining=1,
        reset_at=START + timedelta(hours=1),
        seen_at=START,
    )
    await insert(
        bench, "agent_switches", name="auto_publish", off_since=START, by=payload, reason=payload
    )
    project = f"/projects/{bench.project}"
    pages = [
        await browser.page(path)
        for path in (
            *("/suggestions?status=all", f"/suggestions?agent={quote(payload)}&status=all"),
            *(f"/suggestions/{made}", "/agents?days=365", "/projects", project),
        )
    ]
    answer = await browser.send(
        f"/suggestions/{made}/edit", {"title": "x", "body": payload, "shown": payload}
    )
    assert answer.status == 422
    pages.append(answer.text)
    answer = await browser.send(f"{project}/agents/tester", {"model": payload, "max_per_run": "x"})
    assert answer.status == 422
    pages.append(answer.text)
    answer = await browser.call(f"/suggestions?status={quote(payload)}")
    assert answer.status == 422
    pages.append(answer.text)
    for page in pages:
        check(page, payload)
    # It is there to be read.
    assert all(payload.strip()[:60] in Seen.of(page).text for page in pages[:6])


def check(page: str, payload: str) -> None:
    seen = Seen.of(page)
    assert seen.tags <= TAGS, seen.tags - TAGS
    assert not {name for name in seen.attributes if name.startswith("on") or name == "style"}
    assert not seen.attributes & {"autofocus", "formaction", "srcdoc", "http-equiv", "x"}
    assert all(link[:1] in {"/", "#"} and link[:2] != "//" for link in seen.links), seen.links
    assert all(source.startswith("/static/") for source in seen.sources), seen.sources
    assert all(action[:1] == "/" and action[:2] != "//" for action in seen.forms), seen.forms
    assert len(page.encode()) < 150_000
    assert "49" not in seen.text or "7 * 7" not in payload
