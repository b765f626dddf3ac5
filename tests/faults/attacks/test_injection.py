"""Does a text that a caller sends ever become SQL, a template, or a path?"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any
from urllib.parse import quote

import aiohttp
import pytest

from jobs.email.rendering import Renderer, TemplateError
from tests.faults.attacks.target import (
    ADMIN,
    CRON,
    MAY_BE_SAID,
    Target,
    attacked,
    changed,
    contents,
)
from tests.faults.attacks.test_without_right import Site, known
from tests.faults.conftest import Report, trials
from tests.support.machine import connect

SQL = [
    "'",
    '"',
    "\\",
    "''",
    "';DROP TABLE canary;--",
    "1;DROP TABLE canary",
    "' OR '1'='1",
    "' OR 1=1--",
    '" OR ""="',
    "') OR ('1'='1",
    "'; INSERT INTO canary VALUES (2);--",
    "' UNION SELECT secret FROM canary--",
    "$$; DROP TABLE canary; $$",
    "E'\\x27; DROP TABLE canary'",
    "\\'; DROP TABLE canary; --",
    "\u02bc; DROP TABLE canary;--",
    "\uff07; DROP TABLE canary;--",
    "/**/OR/**/1=1",
    "pg_sleep(20)",
    "'||pg_sleep(20)||'",
    "'; COPY canary TO PROGRAM 'touch /tmp/canary';--",
    "{table}",
    "%s",
    ":now",
    "$1",
    "1 OFFSET 1; DELETE FROM canary",
    "0); DELETE FROM canary; --",
    "public.canary",
    "app_users; TRUNCATE canary CASCADE",
    "{canary}",
    "{{ canary }}",
    "x' ESCAPE '\\",
    "_%_%_%",
]
ESCAPES = [
    "{{ 7 * 7 }}",
    "{{ ''.__class__.__mro__[1].__subclasses__() }}",
    "{{ cycler.__init__.__globals__.os.popen('id').read() }}",
    "{{ self._TemplateReference__context }}",
    "{{ config }}",
    "{{ request.application.__globals__ }}",
    "{{ lipsum.__globals__['os'].popen('id').read() }}",
    "{{ joiner.__init__.__globals__ }}",
    "{{ namespace.__init__.__globals__ }}",
    "{{ get_flashed_messages.__globals__ }}",
    "{{ name.format(name) }}",
    "{{ '{0.__class__}'.format(name) }}",
    "{{ '%s' % name.__class__ }}",
    "{{ name|attr('__class__') }}",
    "{{ name['__class__'] }}",
    "{{ (name|map('upper'))|list }}",
    "{{ [name]|map(attribute='__class__')|list }}",
    "{% set x = name.__class__ %}{{ x }}",
    "{% import 'os' as os %}{{ os }}",
    "{% include '/etc/passwd' %}",
    "{% extends '/etc/passwd' %}",
    "{% from 'x' import y %}",
    "{% macro m() %}{{ caller() }}{% endmacro %}",
    "{% for x in range(1000000000) %}x{% endfor %}",
    "{% for x in range(9999) %}{% for y in range(9999) %}x{% endfor %}{% endfor %}",
    "{{ 'x' * 1000000000 }}",
    "{{ 9 ** 9 ** 9 }}",
    "{{ range(10)|list }}",
    "{{ name|xmlattr }}",
    "{{ name|safe }}",
    "{{ debug }}{% debug %}",
    "{% raw %}",
    "{{ ''|format }}",
    "{{ name.mro() }}",
    "{{ loop.__init__ }}",
    "{% for x in [1] %}{{ loop.__class__ }}{% endfor %}",
    "{% for x in [1] recursive %}{{ loop([1]) }}{% endfor %}",
    "{% autoescape false %}{{ name }}{% endautoescape %}",
    "{% filter upper %}x{% endfilter %}",
    "{% call name() %}{% endcall %}",
    "{{ name is callable }}",
    "{{ url_for.__globals__ }}",
    "<%= global.process.mainModule.require('child_process').execSync('id') %>",
    "<% while (1) {} %>",
    "<%- name %>",
    "<%= 7 * 7 %>",
    "<%= name.constructor.constructor('return process')() %>",
    "<%# comment %>",
    "<%- include('/etc/passwd') %>",
    "{{" * 5_000,
    "{% if 1 %}" * 3_000,
    "{{ " + "(" * 5_000,
    "{{ " + "not " * 20_000 + "1 }}",
    "{{ 1" + " + 1" * 50_000 + " }}",
]
UP = [
    *("../", "..\\", "..%2f", "%2e%2e/", "%2e%2e%2f", "..%5c", "%252e%252e%252f", "....//"),
    *("..%c0%af", "%c0%ae%c0%ae/", "..;/", ".%00./", "\u2025/", "..%ef%bc%8f", "/", "//", "%2f"),
]
GOALS = ["etc/passwd", "config.yaml", "server.py", "pages/login.py", "..%00.css", "admin.css%00.py"]
GIVEN_AWAY = re.compile(
    r"root:.*:0:0:|from __future__|max_concurrent_runs: |\[tool\.|BEGIN [A-Z]+ KEY"
)

pytestmark = pytest.mark.timeout(1200)


def resolved(document: Any, schema: Any) -> Any:
    while "$ref" in schema:
        found = document
        for part in schema["$ref"].removeprefix("#/").split("/"):
            found = found[part]
        schema = found
    return schema


def places(document: Any) -> Iterator[tuple[str, str, str, str]]:
    """Every place of every route that takes what a caller writes: method, path, kind, name.

    Places for numbers and dates are among them: that only a number gets in is part of the trial.
    """
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            for one in operation.get("parameters", []):
                yield method, path, one["in"], one["name"]
            content = operation.get("requestBody", {}).get("content", {})
            for media in content.values():
                for name in resolved(document, media["schema"]).get("properties", {}):
                    yield method, path, "body", name


async def test_sql(peopled: str, tmp_path: Any, report: Report) -> None:
    async with connect(peopled) as connection:
        await connection.execute("CREATE TABLE public.canary (secret text)")
        await connection.execute("INSERT INTO public.canary VALUES ('the-canary-of-the-table')")
    async with (
        attacked(tmp_path, peopled) as target,
        aiohttp.ClientSession(cookie_jar=aiohttp.DummyCookieJar()) as session,
    ):
        site = Site(target, session)
        _, _, text = await site.call("GET", "/openapi.json")
        document = json.loads(text)
        there = await known(target)
        found = [
            place
            for place in places(document)
            if document["paths"][place[1]][place[0]].get("security")
        ]
        assert len(found) > 150, len(found)
        every = [(place, payload) for place in found for payload in SQL]
        step = max(len(every) // trials(len(every), 200), 1)
        chosen = every[::step]
        before, wrong = await contents(peopled), []
        for place, payload in chosen:
            status, text = await sent(site, place, payload, there)
            if status >= 500 and status not in MAY_BE_SAID:
                wrong.append(f"{place} {payload!r}: {status} {text[:200]}")
            if "the-canary-of-the-table" in text or "syntax error at" in text:
                wrong.append(f"{place} {payload!r}: {text[:200]}")
        after = await contents(peopled)
        report.of(
            "SQL in every query, path, header and body parameter of the API",
            len(chosen),
            "no 5xx, no table dropped, written or shown",
        )
        report.figures["places"] = str(len(found))
        assert not wrong, "\n".join(wrong[:30])
        assert before["public.canary"] == after["public.canary"]
        assert before["the schema"] == after["the schema"]
        target.is_well()


async def sent(
    site: Site, place: tuple[str, str, str, str], payload: str, there: dict[str, str]
) -> tuple[int, str]:
    """Put the payload at its place, with all else as it should be."""
    method, path, kind, name = place
    secret = CRON if path.startswith("/api/v1/workers/") else ADMIN
    headers = {"Authorization": f"Bearer {secret}"}
    ids = {
        "id": there["suggestion"],
        "project_id": there["project"],
        "name": "cleanup",
        "slug": "developer",
    }
    if kind == "path":
        ids[name] = quote(payload, safe="")
    for known_name, value in ids.items():
        path = path.replace("{" + known_name + "}", value)
    path = re.sub(r"\{\w+\}", "x", path)
    options: dict[str, Any] = {}
    query = "wait=0" if "workers" in path or "trigger" in path else ""
    if kind == "query":
        query = f"{name}={quote(payload, safe='')}"
    elif kind == "body":
        options["data"] = json.dumps({name: payload})
    elif kind == "header":
        headers[name] = payload.encode("ascii", "replace").decode()
    status, _, text = await site.call(method.upper(), f"{path}?{query}", headers=headers, **options)
    return status, text


async def test_paths(target: Target, report: Report) -> None:
    async with aiohttp.ClientSession(cookie_jar=aiohttp.DummyCookieJar()) as session:
        site = Site(target, session)
        await site.log_in()
        # (The first link that anybody opens makes the key that signs them.)
        await site.call("GET", "/unsubscribe/x")
        before, tried, wrong = await contents(target.dsn), 0, list[str]()
        heads = ["/static/x/", "/static/", "/jobs/", "/runs/", "/suggestions/", "/projects/", "/"]
        heads += ["/api/v1/jobs/", "/api/v1/runs/", "/api/v1/workers/", "/unsubscribe/", "/login/"]
        depths = (1, 3, 8) if trials(1, 0) else (3,)
        for head in heads:
            secret = CRON if "workers" in head else ADMIN
            headers = {"Cookie": site.cookie, "Authorization": f"Bearer {secret}"}
            for up in UP:
                for depth in depths:
                    for goal in GOALS:
                        tried += 1
                        path = quote(head + up * depth + goal, safe="/%.;\\")
                        status, _, text = await site.call("GET", path, headers=headers)
                        if status >= 500 or GIVEN_AWAY.search(text):
                            wrong.append(f"{path}: {status} {text[:100]}")
        report.of(
            "ways out of a folder in every path that holds a name",
            tried,
            "no file is given away, no 5xx",
        )
        assert not wrong, "\n".join(wrong[:20])
        assert changed(before, await contents(target.dsn)) == []


def test_templates(report: Report) -> None:
    """What people may write into messages: worked out in small, refused in large, never more."""
    report.of(
        "ways out of the sandbox of messages' templates (Jinja2, EJS)",
        len(ESCAPES) * 2,
        "refused in words, or shown as text; nothing of Python or the machine",
    )
    renderer, refused = Renderer(), 0
    for source in ESCAPES:
        for html in (True, False):
            try:
                said = renderer.render(source, {"name": "<b>Ann</b>", "email": source}, html=html)
            except TemplateError as error:
                refused += 1
                said = str(error)
                assert len(said) < 1_000, source
            else:
                assert len(said) < 600_000
                if html:
                    assert "<b>" not in said, source
            for word in ("<class", "uid=", "root:", "object at 0x", "<function", "<built-in"):
                assert word not in said, (source, said[:200])
    # A variable is never read as a template itself.
    assert renderer.render("{{ name }}", {"name": "{{ 7 * 7 }}"}, html=False) == "{{ 7 * 7 }}"
    report.figures["refused"] = str(refused)
    assert refused > len(ESCAPES)
