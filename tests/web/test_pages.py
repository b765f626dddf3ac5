"""Does every page keep to what all pages promise: a session, a token, an origin, a policy?"""

from __future__ import annotations

import asyncio
import re
import sys
from datetime import timedelta
from typing import Any
from urllib.parse import urlsplit

import pytest

from scheduler.settings import DEV_SECRET
from scheduler.web.auth import Access
from scheduler.web.body import MOST_WRITTEN
from scheduler.web.front import MAX_BODY
from scheduler.web.guesses import LIMIT
from scheduler.web.pages import HEADS, all_pages
from scheduler.web.pages.door import own_path
from scheduler.web.sessions import LASTS, Sessions
from tests.support.machine import ManualTime
from tests.web.browsing import CSRF, Browser, logged_in
from tests.web.site import ADMIN, CRON, OpenSite

LOCAL: dict[str, Any] = {"cron_secret": None, "admin_secret": None}
SHOWN = [
    route.path for route in all_pages() if route.method == "GET" and route.access is Access.PAGE
]
SENT = [
    route.path for route in all_pages() if route.method == "POST" and route.access is Access.PAGE
]
SOME_ID = "018f0000-0000-7000-8000-000000000000"


def filled(path: str) -> str:
    """A path of a route with something in the place of its parameters."""
    return re.sub(r"\{(\w+)(?::(?:[^{}]|\{[^{}]*\})+)?\}", lambda found: NAMES[found[1]], path)


def test_every_first_part_of_a_path_has_a_page() -> None:
    paged = [route.path for route in all_pages() if route.access is Access.PAGE]
    assert {path.split("/")[1] for path in paged} == HEADS


NAMES = {"name": "count", "id": SOME_ID, "slug": "developer"}


@pytest.mark.parametrize("path", SHOWN)
async def test_no_page_is_shown_without_a_session(site: OpenSite, path: str) -> None:
    browser = Browser(await site())
    for cookies in ({}, {"lamplighter": "x.9999999999.y"}, {"__Host-lamplighter": ADMIN}):
        browser.cookies = dict(cookies)
        answer = await browser.call(filled(path))
        assert answer.status == 303, path
        assert urlsplit(answer.headers["Location"]).path == "/login"
        assert answer.text == ""


@pytest.mark.parametrize("path", SHOWN)
async def test_a_bearer_opens_no_page(site: OpenSite, path: str) -> None:
    one = await site()
    for secret in (ADMIN, CRON):
        answer = await one.call(filled(path), secret=secret, allow_redirects=False)
        assert answer.status == 303


@pytest.mark.parametrize("path", SENT)
async def test_no_form_is_taken_without_session_token_and_origin(site: OpenSite, path: str) -> None:
    one = await site()
    browser = await logged_in(one)
    token = await browser.csrf()
    there = filled(path)
    stranger = Browser(one)
    answer = await stranger.call(there, "POST", data={"csrf": token})
    assert answer.status == 303
    assert answer.headers["Location"].startswith("/login")
    forms: list[dict[str, str]] = [{"x": "y"}, {"csrf": ""}, {"csrf": token[:-1]}, {"csrf": "é"}]
    for form in forms:
        answer = await browser.call(there, "POST", data=form)
        assert answer.status == 403, form
        assert "earlier session" in answer.text
    strange: list[dict[str, str]] = [
        {"Origin": "https://evil.example"},
        {"Origin": "null"},
        {"Origin": f"http://127.0.0.1:{one.port + 1}"},
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
        {"Sec-Fetch-Site": "none"},
    ]
    for headers in strange:
        answer = await browser.call(there, "POST", data={"csrf": token}, headers=headers)
        assert answer.status == 403, headers
        assert "not sent from a page" in answer.text
    assert await one.machine.record() == []
    assert (await one.admin("/api/v1/activity")).body["items"] == []


async def test_a_session_opens_neither_worker_routes_nor_the_api(site: OpenSite) -> None:
    browser = await logged_in(await site())
    token = await browser.csrf()
    for path in ("/api/v1/workers/count", "/api/v1/jobs", "/api/v1/jobs/count/trigger"):
        for method in ("GET", "POST"):
            answer = await browser.call(path, method, data={"csrf": token})
            assert answer.status == 401, (path, method)
            assert answer.error.startswith("the Authorization header")


async def test_the_cookie_is_for_this_site_and_no_script(site: OpenSite) -> None:
    browser = Browser(await site())
    answer = await browser.log_in()
    cookie = answer.headers["Set-Cookie"]
    assert cookie.startswith("lamplighter=")
    for attribute in ("HttpOnly", "SameSite=Strict", "Path=/", "Max-Age=43200"):
        assert attribute in cookie.split("; ")
    assert "Secure" not in cookie
    assert "Domain" not in cookie
    assert ADMIN not in cookie


@pytest.mark.parametrize(
    ("options", "headers"),
    [
        ({"public_url": "https://jobs.example"}, {}),
        ({"trusted_proxies": ("127.0.0.0/8",)}, {"X-Forwarded-Proto": "https"}),
        ({"trusted_proxies": ("127.0.0.0/8",)}, {"X-Forwarded-Proto": "https, http"}),
    ],
)
async def test_behind_https_the_cookie_is_secure(
    site: OpenSite, options: dict[str, Any], headers: dict[str, str]
) -> None:
    browser = Browser(await site(**options))
    answer = await browser.log_in(headers=headers)
    assert answer.headers["Set-Cookie"].startswith("__Host-lamplighter=")
    assert "Secure" in answer.headers["Set-Cookie"]
    assert "Overview" in await browser.page("/", headers=headers)
    origin = {"Origin": f"http://127.0.0.1:{browser.site.port}", **headers}
    answer = await browser.send("/jobs/count/pause", headers=origin)
    assert "lamplighter-said=" in answer.headers["Set-Cookie"]
    assert "Secure" in answer.headers["Set-Cookie"]


async def test_a_stranger_cannot_say_that_it_is_https(site: OpenSite) -> None:
    answer = await Browser(await site()).log_in(headers={"X-Forwarded-Proto": "https"})
    assert "Secure" not in answer.headers["Set-Cookie"]


@pytest.mark.parametrize(
    ("options", "headers"),
    [
        ({"public_url": "https://jobs.example"}, {"Origin": "https://jobs.example"}),
        (
            {"trusted_proxies": ("127.0.0.0/8",)},
            {"Origin": "https://jobs.example", "X-Forwarded-Host": "jobs.example"},
        ),
        ({}, {"Origin": "http://evil.example", "Sec-Fetch-Site": "same-origin"}),
        ({}, {"Origin": "http://jobs.example", "Host": "jobs.example:80"}),
    ],
)
async def test_forms_of_the_page_are_taken_by_any_of_its_names(
    site: OpenSite, options: dict[str, Any], headers: dict[str, str]
) -> None:
    browser = Browser(await site(**options))
    assert (await browser.log_in(headers=headers)).status == 303


async def test_a_wrong_secret_is_said_in_the_form(site: OpenSite) -> None:
    browser = Browser(await site())
    for secret in ("wrong", "", CRON, DEV_SECRET, "é", ADMIN + "x"):
        answer = await browser.call("/login", "POST", data={"secret": secret})
        assert answer.status == 401, secret
        assert "Set-Cookie" not in answer.headers
    assert 'name="secret"' in (await browser.log_in("wrong")).text


async def test_guesses_are_counted_with_those_of_bearers_and_a_right_one_is_let_in(
    site: OpenSite,
) -> None:
    one = await site()
    for n in range(LIMIT):
        if n % 2:
            assert (await Browser(one).log_in("wrong")).status == 401
        else:
            assert (await one.work("count", secret="wrong")).status == 401
    answer = await Browser(one).log_in("wrong")
    assert answer.status == 429
    assert answer.headers["Retry-After"] == "60"
    assert "right one opens" in answer.text
    assert (await one.work("count", secret="wrong")).status == 429
    assert (await Browser(one).log_in()).status == 303


async def test_a_login_of_another_site_is_refused(site: OpenSite) -> None:
    browser = Browser(await site())
    assert (await browser.log_in(headers={"Origin": "https://evil.example"})).status == 403
    assert browser.cookies == {}


async def test_without_a_secret_the_published_one_logs_in(site: OpenSite) -> None:
    browser = Browser(await site(**LOCAL))
    assert DEV_SECRET in await browser.page("/login")
    assert (await browser.log_in(DEV_SECRET)).status == 303
    assert "Overview" in await browser.page("/")


async def test_with_a_public_url_and_no_secret_nobody_logs_in(site: OpenSite) -> None:
    browser = Browser(await site(**LOCAL, public_url="https://jobs.example"))
    assert "nobody can log in" in await browser.page("/login")
    assert (await browser.log_in(DEV_SECRET)).status == 401


async def test_without_an_admin_secret_the_cron_secrets_log_in(site: OpenSite) -> None:
    one = await site(admin_secret=None, cron_secret_previous="the-secret-of-last-year")
    for secret in (CRON, "the-secret-of-last-year"):
        browser = Browser(one)
        assert (await browser.log_in(secret)).status == 303
        assert "Overview" in await browser.page("/")


async def test_a_session_outlives_the_daemon_but_not_its_secret(site: OpenSite) -> None:
    browser = await logged_in(await site())
    browser.site = await site()
    assert "Overview" in await browser.page("/")
    browser.site = await site(admin_secret="another-secret-of-operators")
    assert (await browser.call("/")).status == 303


async def test_a_session_ends_after_a_working_day(site: OpenSite) -> None:
    one = await site()
    browser = await logged_in(one)
    one.time.move(seconds=LASTS.total_seconds() - 1)
    assert "Overview" in await browser.page("/")
    one.time.move(seconds=2)
    assert (await browser.call("/")).status == 303


async def test_logging_out_ends_it(site: OpenSite) -> None:
    browser = await logged_in(await site())
    kept = dict(browser.cookies)
    answer = await browser.send("/logout")
    assert (answer.status, answer.headers["Location"]) == (303, "/login")
    assert browser.cookies == {}
    assert (await browser.call("/")).status == 303
    # Who has kept a copy of the cookie is out too, and in every other daemon on this database.
    browser.cookies = dict(kept)
    assert (await browser.call("/")).status == 303
    browser.site = await site()
    assert (await browser.call("/")).status == 303
    assert (await (await logged_in(browser.site)).call("/")).status == 200


async def test_after_the_login_comes_what_was_asked_for(site: OpenSite) -> None:
    browser = Browser(await site())
    answer = await browser.call("/?q=a%26b")
    assert answer.headers["Location"] == "/login?next=/%3Fq%3Da%2526b"
    form = await browser.page(answer.headers["Location"])
    assert 'name="next" value="/?q=a%26b"' in form
    answer = await browser.call("/login", "POST", data={"secret": ADMIN, "next": "/?q=a%26b"})
    assert answer.headers["Location"] == "/?q=a%26b"


@pytest.mark.parametrize(
    "path",
    ["//evil.example", "/\\evil.example", "https://evil.example", "evil", "/a\nb", "", None]
    + ["/login", "/logout?x=1", "/\t/evil.example"],
)
def test_the_way_on_leads_to_no_other_site(path: str | None) -> None:
    assert own_path(path) == "/"


async def test_a_part_that_is_refreshed_without_session_sends_the_page_to_the_login(
    site: OpenSite,
) -> None:
    one = await site()
    headers = {"HX-Request": "true", "HX-Current-URL": f"http://127.0.0.1:{one.port}/?a=1"}
    answer = await Browser(one).call("/", headers=headers)
    assert answer.status == 401
    assert answer.headers["HX-Redirect"] == "/login?next=/%3Fa%3D1"


async def test_every_page_has_the_policy(site: OpenSite) -> None:
    browser = await logged_in(await site())
    stranger = Browser(browser.site)
    for answer in (
        await browser.call("/"),
        await stranger.call("/login"),
        await browser.call("/nowhere"),
        await browser.call("/", headers={"HX-Request": "true"}),
    ):
        assert answer.headers["Content-Security-Policy"] == (
            "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; "
            "form-action 'self'; connect-src 'self'; base-uri 'none'; frame-ancestors 'none'"
        )
        assert answer.headers["X-Content-Type-Options"] == "nosniff"
        assert answer.headers["Cache-Control"] == "no-store"
        assert answer.headers["Referrer-Policy"] == "same-origin"
        assert "Server" not in answer.headers
        assert " style=" not in answer.text
        assert "<script>" not in answer.text


async def test_what_is_not_there_is_a_page_for_browsers_and_json_for_others(site: OpenSite) -> None:
    browser = await logged_in(await site())
    answer = await browser.call("/nowhere")
    assert (answer.status, answer.headers["Content-Type"]) == (404, "text/html; charset=utf-8")
    assert "There is nothing at /nowhere" in answer.text
    answer = await browser.site.call("/nowhere")
    assert (answer.status, answer.error) == (404, "there is nothing at /nowhere")
    answer = await browser.call("/api/v1/nowhere")
    assert answer.status == 401
    assert answer.error


async def test_the_files_of_pages_may_be_kept_as_long_as_they_are_the_same(site: OpenSite) -> None:
    browser = Browser(await site())
    page = await browser.page("/login")
    files = re.findall(r'"(/static/[^"]+)"', page)
    assert len(set(files)) == 4
    for file in files:
        answer = await browser.call(file)
        assert answer.status == 200
        assert answer.headers["Cache-Control"] == "public, max-age=31536000, immutable"
        assert answer.headers["X-Content-Type-Options"] == "nosniff"
        _, _, _, name = file.split("/")
        answer = await browser.call(f"/static/another/{name}")
        assert (answer.status, answer.headers["Cache-Control"]) == (200, "no-store")
    for path in ("/static/x/nothing.css", "/static/x/..%2fapp.py", "/static/x/htmx.LICENSE"):
        assert (await browser.call(path)).status == 404


@pytest.mark.parametrize(
    "data", ["csrf=%FF", "csrf=a%00b", "&".join(["a=1"] * 501), "x" * (MOST_WRITTEN + 1)]
)
async def test_what_no_form_sends_is_refused(site: OpenSite, data: str) -> None:
    browser = await logged_in(await site())
    headers = {"Content-Type": "application/x-www-form-urlencoded"}
    answer = await browser.call("/logout", "POST", data=data, headers=headers)
    assert answer.status in {400, 413, 422}
    answer = await browser.call("/logout", "POST", json={"csrf": "x"})
    assert answer.status == 415


async def test_a_stranger_may_send_less(site: OpenSite) -> None:
    browser = Browser(await site())
    answer = await browser.call("/login", "POST", data={"secret": "x" * MAX_BODY})
    assert answer.status == 413


@pytest.mark.parametrize(
    "odd", ["\udcff\udcfe", "\udcff.9999999999.\udcff", "é.9.é", "x.٣.y", "..", "x"]
)
async def test_cookies_may_be_anything(site: OpenSite, odd: str) -> None:
    browser = await logged_in(await site())
    kept = browser.cookies["lamplighter"]
    browser.cookies = {"lamplighter": odd}
    assert (await browser.call("/")).status == 303
    browser.cookies = {"lamplighter": kept, "lamplighter-said": odd}
    assert await browser.said("/") == ""


@pytest.mark.parametrize(
    "path", ["/runs?job=", "/activity?who=", "/activity?action=", "/activity?target="]
)
async def test_a_filter_with_a_nul_is_said_to_be_odd(site: OpenSite, path: str) -> None:
    browser = await logged_in(await site())
    answer = await browser.call(f"{path}a%00b")
    assert answer.status == 422
    assert "has a NUL character" in answer.text


async def test_a_forged_message_is_not_shown(site: OpenSite) -> None:
    browser = await logged_in(await site())
    browser.cookies["lamplighter-said"] = "eyJzYWlkIjogIngifQ.AAAA"
    assert await browser.said("/") == ""


async def test_a_session_says_nothing_of_its_key() -> None:
    sessions = Sessions([b"digest"], ManualTime())
    session = await sessions.begin(b"digest")
    assert "key" not in repr(session)
    assert timedelta(0) < LASTS
    assert CSRF.search(f'name="csrf" value="{session.csrf}"')
    assert session.opened(session.sealed({"said": "x"})) == {"said": "x"}


async def test_a_daemon_without_visitors_loads_no_page() -> None:
    code = "import sys, scheduler.web.app; print(*sorted(sys.modules))"
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", code, stdout=asyncio.subprocess.PIPE
    )
    loaded, _ = await process.communicate()
    names = set(loaded.decode().split())
    assert "scheduler.web.pages" in names
    for heavy in ("jinja2", "scheduler.web.pages.overview", "scheduler.web.charts"):
        assert heavy not in names


async def test_other_methods_are_405_and_what_is_below_a_page_is_404(site: OpenSite) -> None:
    browser = await logged_in(await site())
    answer = await browser.call("/jobs/count", "PUT")
    assert (answer.status, answer.headers["Allow"]) == (405, "GET, HEAD")
    answer = await browser.call("/runs/a/b/c")
    assert answer.status == 404
    assert "There is nothing at /runs/a/b/c" in answer.text
    for path in ("/", "/login"):
        assert (await browser.call(path, "HEAD")).status == 200


async def test_a_form_of_a_session_that_has_ended_is_not_done_and_that_is_said(
    site: OpenSite,
) -> None:
    one = await site()
    stranger = Browser(one)
    headers = {"Referer": f"http://127.0.0.1:{one.port}/runs?status=failed"}
    answer = await stranger.call("/logout", "POST", data={"csrf": "x"}, headers=headers)
    assert answer.headers["Location"] == "/login?next=/runs%3Fstatus%3Dfailed&lost=1"
    assert "what you sent was not done" in await stranger.page(answer.headers["Location"])
