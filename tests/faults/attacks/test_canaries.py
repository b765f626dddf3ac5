"""Is a secret of any setting ever said: in a log, a page, an answer, a run, or by a command?"""

from __future__ import annotations

import asyncio
import base64
import hashlib
import json
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from time import monotonic
from typing import Any, get_args
from urllib.parse import quote

import aiohttp
import pytest
from pydantic import SecretStr

from scheduler.app import all_jobs
from scheduler.settings import Settings
from scheduler.web.app import ROUTES
from scheduler.web.auth import Access
from tests.faults.attacks.target import ADMIN, CRON, PREVIOUS, attacked
from tests.faults.attacks.test_stored_texts import crawl
from tests.faults.attacks.test_without_right import Site, known, paths
from tests.faults.conftest import Report, trials
from tests.support.daemon import command, free_port
from tests.support.machine import connect

COMMANDS = (("check",), ("history",), ("doctor",), ("doctor", "--json"))
TOLD_OF = ("SMTP_URL", "DATABASE_URL", "GITHUB_TOKEN", "GITHUB_WRITE_TOKEN")
"""Settings whose value is looked at when they are read, and which may be refused."""
DOORS = ("refused", "reached", "Cannot connect", "no answer")
"""Words of a run that found nobody at a door."""

pytestmark = pytest.mark.timeout(600)


def secret_settings() -> list[str]:
    """The names of all settings that are kept out of sight, as the environment has them."""
    return [
        name.upper()
        for name, field in Settings.model_fields.items()
        if SecretStr in (field.annotation, *get_args(field.annotation))
    ]


def canary(name: str) -> str:
    return "Zq" + hashlib.sha256(name.encode()).hexdigest()[:34]


def all_forms(secret: str) -> Iterator[str]:
    """How a secret may be said without being plain."""
    yield secret
    half = len(secret) // 2
    # Either half of it, forwards and backwards: what is cut in the middle is still said.
    yield from (secret[:half], secret[half:], secret[::-1][:half], secret[::-1][half:])
    yield from ("".join(f"%{ord(char):02x}" for char in secret), secret.encode().hex())
    yield quote(secret, safe="")
    # In base64 a text has three forms, by where it begins in what is encoded.
    for before in range(3):
        encoded = base64.b64encode(b"\0" * before + secret.encode()).decode()
        yield encoded[4 if before else 0 : -4]


@cache
def forms(secret: str) -> frozenset[str]:
    return frozenset(form.lower() for form in all_forms(secret) if len(form) >= 10)


def said_in(text: str, secrets: Mapping[str, str]) -> set[str]:
    lower = text.lower()
    return {
        name for name, secret in secrets.items() if any(form in lower for form in forms(secret))
    }


@pytest.mark.parametrize("form", range(9))
def test_each_form_is_seen(form: int) -> None:
    """Else nothing would be found in what follows."""
    secrets = {"A": canary("SMTP_URL")}
    [*found] = all_forms(secrets["A"])
    assert said_in(f"x {found[form]} y", secrets) == {"A"}
    header = base64.b64encode(b"u" * form + b":" + secrets["A"].encode() + b"...").decode()
    assert said_in(header, secrets) == {"A"}
    assert said_in("nothing of the kind", secrets) == set()


async def test_no_secret_is_said(peopled: str, tmp_path: Path, report: Report) -> None:
    names = secret_settings()
    assert len(names) >= 18, names
    nobody = free_port()
    secrets = {name: canary(name) for name in names}
    secrets |= {"CRON_SECRET": CRON, "ADMIN_SECRET": ADMIN, "CRON_SECRET_PREVIOUS": PREVIOUS}
    given = dict(secrets)
    given["DATABASE_URL"] = peopled
    # A key with a password of its own; nobody listens there.
    given["ALERT_URLS"] = f"json://user:{secrets['ALERT_URLS']}@127.0.0.1:{nobody}/x"
    given["SMTP_URL"] = f"smtp://user:{secrets['SMTP_URL']}@127.0.0.1:{nobody}"
    given["MAILCHIMP_API_KEY"] = secrets["MAILCHIMP_API_KEY"] + "-us21"
    settings = {
        name: value for name, value in given.items() if name not in {"DATABASE_URL", "CRON_SECRET"}
    }
    away = f"http://127.0.0.1:{nobody}"
    settings |= {
        "LOG_LEVEL": "debug",
        "MAILERLITE_API_URL": away,
        "MAILCHIMP_API_URL": away,
        "MAILCHIMP_LIST_ID": "list",
        "BREVO_API_URL": away,
        "BREVO_LIST_ID": "1",
        "GITHUB_API_URL": away,
        "OPENAI_BASE_URL": away,
        "GITHUB_APP_ID": "1",
        "MAIL_FROM": "news@example.com",
        "WEBHOOK_HOSTS": "hooks.example.com",
        "PUBLIC_URL": "https://lamplighter.example",
    }
    del secrets["DATABASE_URL"]
    places: dict[str, set[str]] = {}
    looked = 0

    def look(where: str, text: str) -> None:
        nonlocal looked
        looked += 1
        if found := said_in(text, secrets):
            places.setdefault(where, set()).update(found)

    async with attacked(tmp_path, peopled, **settings) as target:
        async with aiohttp.ClientSession(cookie_jar=aiohttp.DummyCookieJar()) as session:
            site = Site(target, session)
            await site.log_in()
            there = await known(target)
            told = await run_everything(site, there, look)
            await answer_everything(site, there, look)
            pages, _ = await crawl(site)
            for path, page in pages.items():
                look(f"page {path}", page)
        target.is_well()
        async with connect(peopled) as connection:
            tables = await connection.fetch(
                "SELECT format('%I.%I', n.nspname, c.relname) AS name FROM pg_class AS c"
                " JOIN pg_namespace AS n ON n.oid = c.relnamespace"
                " WHERE n.nspname IN ('public', 'lamplighter') AND c.relkind = 'r'"
            )
            for row in tables:
                rows = await connection.fetch(
                    f"SELECT t::text AS row FROM {row['name']} AS t"  # noqa: S608 - from the catalog
                )
                look(f"table {row['name']}", "\n".join(one["row"] for one in rows))
    look("log", target.log.read_text(encoding="utf-8"))
    for file in (tmp_path / "data").rglob("*"):
        if file.is_file():
            look(f"file {file.name}", file.read_bytes().decode("latin-1"))
    environment = {**settings, "DATABASE_URL": peopled, "CRON_SECRET": CRON}
    environment["LAMPLIGHTER_CONFIG"] = str(tmp_path / "config.yaml")
    for arguments in COMMANDS[: trials(len(COMMANDS), 1)]:
        said = await command(*arguments, cwd=tmp_path, **environment)
        look(f"command {' '.join(arguments)}", said.out + said.err)
    # Settings that are wrong are told without what they hold.
    for name in TOLD_OF[: trials(len(TOLD_OF), 1)]:
        for bad in (f"caf\u00e9 {canary(name)}", f"ftp://{canary(name)}@x:y/"):
            said = await command("check", cwd=tmp_path, **{**environment, name: bad})
            look(f"a wrong {name}", said.out + said.err)
    report.of(
        "a canary in every setting that is a secret; every job run and failing, all that is said"
        " searched, plain and in disguise",
        len(names),
        "found nowhere",
    )
    report.figures["texts searched"] = f"{looked:,}"
    assert not places, places
    # (The doors were tried: else there would have been little to say.)
    assert any(word in text for text in told for word in DOORS), told


async def run_everything(site: Site, there: Mapping[str, str], look: Any) -> list[str]:
    """Each job, against doors that nobody opens; what became of each, and its record."""
    worker, admin = ({"Authorization": f"Bearer {secret}"} for secret in (CRON, ADMIN))
    runs = []
    for name, kind in sorted(all_jobs().items()):
        own = (kind.job.path or name).replace("{project_id}", there["project"])
        path = f"/api/v1/workers/{own}?wait=0"
        _, headers, text = await site.call("POST", path, headers=worker)
        look(f"answer of {name}", f"{text} {dict(headers)}")
        runs.append(json.loads(text).get("runId"))
    # Those that try a door again and again are looked at as far as they have come.
    deadline = monotonic() + trials(120, 6)
    told = []
    for run in filter(None, runs):
        while True:
            _, _, text = await site.call("GET", f"/api/v1/runs/{run}", headers=admin)
            ended = json.loads(text)["status"] not in {"queued", "running"}
            if ended or monotonic() > deadline:
                break
            await asyncio.sleep(0.2)
        look(f"run {run}", text)
        told.append(text)
    return told


async def answer_everything(site: Site, there: Mapping[str, str], look: Any) -> None:
    """Each route, with the right secret and a wrong one, with and without a body."""
    for route in ROUTES:
        path = paths(route.path, there)
        for secret in (CRON if route.access is Access.CRON else ADMIN, "wrong"):
            for body in (None, b"{broken", json.dumps({"unknown": 1}).encode()):
                status, headers, text = await site.call(
                    route.method,
                    path,
                    headers={"Authorization": f"Bearer {secret}"},
                    data=body if route.method != "GET" else None,
                )
                look(f"{route.method} {path} {status}", f"{text} {dict(headers)}")
