"""Does anything change for who may not change it, by any route that the router has?"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Iterator, Mapping
from typing import Any
from uuid import UUID

import aiohttp
import pytest
from yarl import URL

from scheduler.app import all_jobs
from scheduler.web.app import ROUTES
from scheduler.web.auth import Access
from scheduler.web.pages import all_pages
from scheduler.web.route import PARAMETER
from tests.faults.attacks.target import ADMIN, CRON, PREVIOUS, Target, changed, contents
from tests.faults.conftest import Report, trials
from tests.support.machine import connect

CSRF = re.compile(r'name="csrf" value="([^"]+)"')
FORM = {"Content-Type": "application/x-www-form-urlencoded"}
REFUSED = frozenset({401, 403, 404, 405, 415, 429, 503})

pytestmark = pytest.mark.timeout(900)


class Site:
    """The daemon as people and programs reach it, a session of an operator among them."""

    def __init__(self, target: Target, session: aiohttp.ClientSession) -> None:
        self.target, self.session = target, session
        self.cookie = self.csrf = ""

    async def log_in(self) -> None:
        headers = {"Origin": self.target.url}
        form = {"secret": ADMIN, "next": "/"}
        status, answered, _ = await self.call("POST", "/login", headers=headers, data=form)
        assert status == 303
        self.cookie = answered["Set-Cookie"].partition(";")[0]
        _, _, page = await self.call("GET", "/", headers={"Cookie": self.cookie})
        found = CSRF.search(page)
        assert found
        self.csrf = found[1]

    async def call(self, method: str, path: str, **options: Any) -> tuple[int, Any, str]:
        url = URL(self.target.url + path, encoded=True)
        async with self.session.request(method, url, allow_redirects=False, **options) as response:
            return response.status, response.headers, await response.text(errors="replace")


async def known(target: Target) -> dict[str, str]:
    """What stands for the names in paths, so that each path leads to something that is there."""
    async with connect(target.dsn) as connection:
        asked = {
            "suggestion": "SELECT id FROM lamplighter.suggestions WHERE status = 'pending' LIMIT 1",
            "project": "SELECT id FROM projects WHERE github_repo IS NOT NULL LIMIT 1",
            "run": "SELECT id FROM lamplighter.runs ORDER BY created_at DESC LIMIT 1",
        }
        found = {name: await connection.fetchval(sql) for name, sql in asked.items()}
    return {name: str(value or UUID(int=0)) for name, value in found.items()}


def paths(route: str, there: Mapping[str, str]) -> str:
    """A route's path with something real for each name in it."""
    path = route
    for pattern, value in (
        (r"^(/api/v1)?/suggestions/\{\w+[^}]*\}", r"\1/suggestions/" + there["suggestion"]),
        (r"^(/api/v1)?/projects/\{\w+[^}]*\}", r"\1/projects/" + there["project"]),
        (r"^(/api/v1(?:/workers)?)?/runs/\{\w+[^}]*\}", r"\1/runs/" + there["run"]),
        (r"\{slug[^}]*\}|\{agent[^}]*\}", "developer"),
        (r"\{name[^}]*\}", "cleanup"),
    ):
        path = re.sub(pattern, value, path)
    return PARAMETER.sub("x", path)


def changes(there: Mapping[str, str]) -> Iterator[tuple[str, str, Access]]:
    """Each route that is not only looked at; a worker route runs its job by GET as well."""
    for route in (*ROUTES, *all_pages()):
        if route.access is Access.OPEN:
            continue
        if route.runs_job:
            for name, kind in all_jobs().items():
                own = (kind.job.path or name).replace("{project_id}", there["project"])
                yield route.method, route.path.split("{")[0] + own + "?wait=0", route.access
        elif route.method not in {"GET", "HEAD"}:
            yield route.method, paths(route.path, there), route.access


async def test_no_change_without_the_right(target: Target, report: Report) -> None:
    async with aiohttp.ClientSession(cookie_jar=aiohttp.DummyCookieJar()) as session:
        site = Site(target, session)
        await site.log_in()
        there = await known(target)
        ways = [*changes(there)]
        # (What is found by itself has to be found: were there none, nothing would be tried.)
        assert len([way for way in ways if way[2] is Access.PAGE]) >= 12, ways
        assert len([way for way in ways if way[2] is Access.ADMIN]) >= 8
        assert len([way for way in ways if way[2] is Access.CRON]) >= 30
        before = await contents(target.dsn)
        tried, wrong = 0, []
        for method, path, access in ways:
            for what, options in [*attempts(site, access)]:
                tried += 1
                status, headers, _ = await site.call(method, path, **options)
                to_login = status == 303 and headers["Location"].startswith("/login")
                if status not in REFUSED and not to_login:
                    wrong.append(f"{method} {path} {what}: {status}")
        report.of(
            "every change without the right: no CSRF, foreign Origin, another secret, no session",
            tried,
            "refused, nothing in the database is touched",
        )
        report.figures["routes"] = str(len(ways))
        assert not wrong, "\n".join(wrong[:40])
        assert changed(before, await contents(target.dsn)) == []
        # All the same: whoever may, can. Else every attempt would have failed for another reason.
        good = {"Origin": target.url, "Cookie": site.cookie}
        status, headers, _ = await site.call(
            "POST", "/jobs/cleanup/pause", headers=good, data={"csrf": site.csrf, "reason": "x"}
        )
        assert (status, headers["Location"].startswith("/login")) == (303, False)
        status, _, _ = await site.call(
            "POST", "/api/v1/jobs/cleanup/resume", headers={"Authorization": f"Bearer {ADMIN}"}
        )
        assert status == 200


def attempts(site: Site, access: Access) -> Iterator[tuple[str, dict[str, Any]]]:
    """Each way to ask for what one may not, with all else as it should be."""
    target, csrf = site.target, {"csrf": site.csrf, "reason": "x"}
    cookie, own = {"Cookie": site.cookie}, {"Origin": target.url}
    if access is Access.PAGE:
        forged = site.cookie[:-2] + ("AA" if site.cookie[-2:] != "AA" else "BB")
        name, _, value = site.cookie.partition("=")
        who, expires, sign = value.split(".")
        later = f"{name}={who}.{int(expires) + 1}.{sign}"
        past = f"{name}={who}.1.{sign}"
        bad_cookies = {"forged": forged, "made longer": later, "expired": past, "empty": f"{name}="}
        for what, bad in bad_cookies.items():
            yield f"session {what}", {"headers": {**own, "Cookie": bad}, "data": csrf}
        yield "no session", {"headers": own, "data": csrf}
        for secret in (ADMIN, CRON, PREVIOUS):
            bearer = {**own, "Authorization": f"Bearer {secret}"}
            yield "bearer instead of a session", {"headers": bearer, "data": csrf}
        yield "no CSRF", {"headers": {**own, **cookie}, "data": {"reason": "x"}}
        for token in ("", "x", site.csrf[:-1], site.csrf + "x", "\u00e9", site.csrf.swapcase()):
            yield (
                f"CSRF {token!r}",
                {"headers": {**own, **cookie}, "data": {"csrf": token, "reason": "x"}},
            )
        yield "CSRF in the query", {"headers": {**own, **cookie}, "params": {"csrf": site.csrf}}
        for origin in (
            *("https://evil.example", "null", "", f"{target.url}.evil.example", "http://127.0.0.1"),
            *(
                f"http://127.0.0.1:{target.port + 1}",
                f"http://x@127.0.0.1:{target.port}@evil.example",
            ),
            *("file://", f"javascript://127.0.0.1:{target.port}"),
        ):
            yield f"Origin {origin!r}", {"headers": {**cookie, "Origin": origin}, "data": csrf}
        yield "no Origin", {"headers": cookie, "data": csrf}
        for site_ in ("cross-site", "same-site", "none", "Same-Origin", ""):
            headers = {**cookie, **own, "Sec-Fetch-Site": site_}
            yield f"Sec-Fetch-Site {site_!r}", {"headers": headers, "data": csrf}
        for kind in ("text/plain", "application/json", "multipart/form-data; boundary=x"):
            headers = {**cookie, **own, "Content-Type": kind}
            body = f"csrf={site.csrf}&reason=x"
            yield f"as {kind}", {"headers": headers, "data": body}
        return
    wrong = ADMIN if access is Access.CRON else CRON
    yield "the other secret", {"headers": {"Authorization": f"Bearer {wrong}"}}
    yield "a session", {"headers": {**cookie, **own, **FORM}, "data": f"csrf={site.csrf}"}
    yield "a session as bearer", {"headers": {"Authorization": f"Bearer {site.cookie}"}}
    yield "nothing", {}
    if access is Access.ADMIN:
        yield "last year's", {"headers": {"Authorization": f"Bearer {PREVIOUS}"}}


def spellings(secret: str) -> Iterator[tuple[str, list[tuple[bytes, bytes]]]]:
    """Every way to nearly say the secret."""
    right = secret.encode()
    one = b"Authorization"

    def say(value: bytes, name: bytes = one) -> list[tuple[bytes, bytes]]:
        return [(name, value)]

    for text in (secret.upper(), secret.title(), secret[:-1], secret + "x", secret[1:], "", "*"):
        yield text, say(b"Bearer " + text.encode())
    wide = "".join(chr(ord(char) + 0xFEE0) for char in secret)
    look_alike = secret.replace("e", "\u0435").replace("a", "\u0430")
    for text in (wide, look_alike, secret + "\u200b", "\ufeff" + secret):
        for encoding in ("utf-8", "utf-16-le"):
            yield (
                text,
                say(b"Bearer " + text.encode(encoding).replace(b"\x00", b"").replace(b"\n", b"")),
            )
    import base64

    pair = base64.b64encode(b"admin:" + right)
    for value in (
        b"Basic " + pair, b"Basic " + right, b"Digest " + right, b"Token " + right, right,
        b"Bearer" + right, b"Bearer=" + right, b"Bearer:" + right, b'Bearer "' + right + b'"',
        b"Bearer " + base64.b64encode(right), b"Bearer " + right.hex().encode(),
        b"Bearer %74" + right[1:], b"Bearer " + right + b", Bearer x", b"Bearer x, Bearer " + right,
        b"Bearer " + right + b" x", b"Bearer x " + right, b"Bearer Bearer " + right,
        b"Bearer " + right[::-1], b"Bearer\t" + right, b"Bearer " + right + b"\x00",
        b"Bearer \x00" + right, b"Bearer " + right + b";", b"B\xc4\x93arer " + right,
        b"Bearer " + right + b"\xa0", b"Bearer \x0b" + right,
    ):  # fmt: skip
        yield repr(value), say(value)
    good = b"Bearer " + right
    yield "twice", [(one, good), (one, good)]
    yield "right and wrong", [(one, good), (one, b"Bearer x")]
    yield "wrong and right", [(one, b"Bearer x"), (one, good)]
    for name in (
        *(b"Proxy-Authorization", b"X-Authorization", b"Authorisation", b"X-Api-Key", b"Cookie"),
        *(
            b"Authorization_",
            b"Auth\xc3\xb6rization",
            b"X-Forwarded-Authorization",
            b"X-Cron-Secret",
        ),
    ):
        yield name.decode("latin-1"), say(good, name)


async def test_no_other_spelling_of_a_secret_opens_anything(target: Target, report: Report) -> None:
    queries = [f"?{name}={ADMIN}" for name in ("token", "secret", "access_token", "Authorization")]
    tried, wrong = 0, []
    before = await contents(target.dsn)
    for secret, path in ((ADMIN, "/api/v1/jobs"), (CRON, "/api/v1/workers/cleanup")):
        cases = [(what, "", lines) for what, lines in spellings(secret)]
        cases += [(query, query.replace(ADMIN, secret), []) for query in queries]
        for what, query, lines in cases:
            tried += 1
            status = await raw_status(target, path + query, lines)
            # A NUL or the like is no header at all.
            if status not in {400, 401, 429}:
                wrong.append(f"{path} {what}: {status}")
        assert await raw_status(
            target,
            path.replace("cleanup", "x"),
            [(b"authorization", b"bearer  " + secret.encode())],
        ) in {200, 404}
    report.of(
        "a secret in another case, encoding, header, place, or twice",
        tried,
        "refused alike, nothing in the database is touched",
    )
    assert not wrong, "\n".join(wrong)
    assert changed(before, await contents(target.dsn)) == []


async def raw_status(target: Target, path: str, lines: list[tuple[bytes, bytes]]) -> int:
    reader, writer = await asyncio.open_connection("127.0.0.1", target.port)
    head = b"".join(b"%s: %s\r\n" % line for line in lines)
    writer.write(
        b"GET %s HTTP/1.1\r\nHost: x\r\nConnection: close\r\n%s\r\n" % (path.encode(), head)
    )
    said = await asyncio.wait_for(reader.read(), 30)
    writer.close()
    return int(said.split(b" ", 2)[1])


KNOWN = {
    # No caller chooses either side.
    "scheduler/settings.py: secret != DEV_SECRET",
    "scheduler/watching/redaction.py: self.without_secrets(whole) == whole",
}


def test_secrets_are_compared_in_constant_time() -> None:
    """Where a secret, a session, a token or a signature is held against another: never by `==`."""
    import ast
    from pathlib import Path

    import scheduler

    root = Path(scheduler.__file__).parents[1]
    words = re.compile(r"secret|token$|digest$|signature|csrf|password|bearer", re.IGNORECASE)
    found, seen = [], 0
    files = [*root.glob("scheduler/**/*.py"), *root.glob("jobs/**/*.py")]
    for file in files:
        tree = ast.parse(file.read_text(encoding="utf-8"))
        for node in ast.walk(tree):
            if isinstance(node, ast.Attribute) and node.attr == "compare_digest":
                seen += 1
            if not isinstance(node, ast.Compare) or not isinstance(node.ops[0], ast.Eq | ast.NotEq):
                continue
            sides = [node.left, *node.comparators]
            names = [ast.unparse(side) for side in sides if not isinstance(side, ast.Constant)]
            if len(names) == 2 and any(words.search(name) for name in names):
                found.append(f"{file.relative_to(root)}: {ast.unparse(node)}")
    assert set(found) <= KNOWN
    assert seen >= 5


async def test_the_time_of_a_refusal(target: Target, report: Report) -> None:
    """Only reported: on a busy machine a bound would be of the machine, not of the daemon."""
    from time import perf_counter

    count = trials(400, 5)
    report.of(
        "the time of a refusal by how much of a secret is right", count * 3, "(only measured)"
    )
    guesses = {
        "nothing": b"x" * len(ADMIN),
        "all but the last": ADMIN[:-1].encode() + b"#",
        "another length": b"x",
    }
    times: dict[str, list[float]] = {name: [] for name in guesses}
    for _ in range(count):
        for name, guess in guesses.items():
            started = perf_counter()
            status = await raw_status(
                target, "/api/v1/jobs", [(b"Authorization", b"Bearer " + guess)]
            )
            times[name].append(perf_counter() - started)
            assert status in {401, 429}
    for name, values in times.items():
        ordered = sorted(values)
        report.figures[f"{name} right"] = f"median {ordered[len(ordered) // 2] * 1000:.2f} ms"
