"""Do the commands say where messages go, and let a person lift a suppression?"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.support.daemon import command
from tests.support.machine import connect
from tests.support.mail import MailServer, mail_server

pytestmark = pytest.mark.timeout(120)
QUIET = 'jobs: {cleanup: {cron: "0 0 1 1 *"}}\n'


async def mail_finding(cwd: Path, **values: str) -> dict[str, Any]:
    found = await command("doctor", "--json", cwd=cwd, **values)
    [finding] = [each for each in json.loads(found.out) if each["check"] == "mail"]
    return dict(finding)


async def test_doctor_says_where_messages_go(database: str, tmp_path: Path) -> None:
    (tmp_path / "config.yaml").write_text(QUIET)
    here = {"DATABASE_URL": database}
    finding = await mail_finding(tmp_path, **here)
    assert (finding["ok"], finding["message"]) == (
        True,
        "messages become files in data/mail; SMTP_URL would send them",
    )
    finding = await mail_finding(tmp_path, MAIL_FROM="nobody", **here)
    assert (finding["ok"], finding["message"]) == (False, "MAIL_FROM: 'nobody' is no address")
    nowhere = await mail_finding(tmp_path, SMTP_URL="smtp://127.0.0.1:1", **here)
    assert not nowhere["ok"]
    assert "cannot be reached (Error connecting to 127.0.0.1 on port 1:" in nowhere["message"]
    folder = tmp_path / "server"
    folder.mkdir()
    async with mail_server(folder) as server:
        await _with_server(server, tmp_path, here)


async def _with_server(server: MailServer, cwd: Path, here: dict[str, str]) -> None:
    server.answer(password="right")
    url = f"smtp://user:right@127.0.0.1:{server.port}"
    finding = await mail_finding(cwd, SMTP_URL=url, MAIL_FROM="a@example.com", **here)
    assert (finding["ok"], finding["message"]) == (
        True,
        (
            f"messages go to 127.0.0.1:{server.port} by SMTP, which lets us in;"
            " those of sequences wait until PUBLIC_URL is set"
        ),
    )
    finding = await mail_finding(cwd, SMTP_URL=url.replace("right", "wr0ng"), **here)
    assert not finding["ok"]
    assert "refused the user name or password (535 5.7.8)" in finding["message"]
    assert "wr0ng" not in finding["message"]


async def test_a_suppression_is_shown_and_lifted(database: str, tmp_path: Path) -> None:
    async with connect(database) as connection:
        await connection.execute(
            "INSERT INTO lamplighter.suppressions (email, reason, source, detail, created_at)"
            " VALUES ('ann@example.com', 'bounced', 'smtp', '550 5.1.1 no', '2026-01-31 08:00+00')"
        )
    options: dict[str, Any] = {"cwd": tmp_path, "DATABASE_URL": database}
    shown = await command("suppression", "show", "Ann@example.com", **options)
    assert (shown.code, shown.out) == (
        0,
        (
            "ann@example.com is suppressed: bounced, said by smtp on 2026-01-31 08:00 UTC\n"
            "550 5.1.1 no\n"
        ),
    )
    refused = await command("suppression", "lift", "ann@example.com", **options)
    assert refused.code == 2
    lift = ("suppression", "lift", "ANN@example.com", "--reason", "a full disk there", "--json")
    lifted = await command(*lift, **options)
    assert (lifted.code, json.loads(lifted.out)) == (
        0,
        {"email": "ann@example.com", "lifted": "bounced"},
    )
    assert (await command(*lift, **options)).code == 1
    shown = await command("suppression", "show", "ann@example.com", "--json", **options)
    assert (shown.code, json.loads(shown.out)) == (1, None)
    async with connect(database) as connection:
        [row] = await connection.fetch(
            "SELECT who, action, target, reason FROM lamplighter.activity"
        )
    assert tuple(row) == (
        "command line",
        "lift_suppression",
        "ann@example.com",
        "a full disk there",
    )
