"""Does a real daemon keep its secrets out of its log, and change its level when it is told to?"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from tests.support.daemon import command, daemon

CANARY = "kQ7canaryzZ93"
SECRETS = {
    "CRON_SECRET": f"{CANARY}-of-the-crontab",
    "ADMIN_SECRET": f"{CANARY}-of-operators",
    "GITHUB_TOKEN": f"{CANARY}-github",
    "SMTP_URL": f"smtp://mailer:{CANARY}@127.0.0.1:9",
    "UNSUBSCRIBE_KEY": f"{CANARY}-unsubscribe",
    "MAIL_FROM": "news@example.com",
    "PUBLIC_URL": "https://lamp.example.com",
    "GITHUB_API_URL": "http://127.0.0.1:9",
}
SCHEDULE = """
jobs:
  cleanup: {cron: "0 0 1 1 *"}
  process-email-queue: {cron: "0 0 1 1 *"}
  orchestration/github-sync: {cron: "0 0 1 1 *"}
"""


async def test_secrets_stay_out_and_each_line_is_one_event(database: str, tmp_path: Path) -> None:
    values: dict[str, Any] = {"DATABASE_URL": database, "LOG_FORMAT": "json", **SECRETS}
    async with daemon(tmp_path, SCHEDULE, **values) as one:
        await one.until_ready()
        admin, cron = SECRETS["ADMIN_SECRET"], SECRETS["CRON_SECRET"]
        for name in ("cleanup", "process-email-queue", "orchestration/github-sync"):
            await one.call(f"/api/v1/workers/{name}", "POST", secret=cron)
        await one.call("/api/v1/jobs", secret=f"{admin}-wrong")
        reason = f"with {admin} for ann@example.org\nand a line"
        await one.call(
            "/api/v1/jobs/cleanup/trigger", "POST", secret=admin, json={"reason": reason}
        )
        port = one.url.rpartition(":")[2]
        asked = {"PORT": port, "ADMIN_SECRET": admin}
        changed = await command(
            *("log-level", "debug", "--for", "10m", "--reason", "why is sync slow"),
            cwd=tmp_path,
            **asked,
        )
        assert changed.code == 0, changed.err
        assert "logs at debug until" in changed.out
        shown = await command("log-level", "--json", cwd=tmp_path, **asked)
        assert json.loads(shown.out)["level"] == "debug"
        back = await command("log-level", "info", cwd=tmp_path, **asked)
        assert back.out.endswith(" logs at info\n")
        refused = await command("log-level", "debug", "--for", "3d", cwd=tmp_path, **asked)
        assert (refused.code, "up to 24h" in refused.err) == (1, True)
        status, activity = await one.call("/api/v1/activity", secret=admin)
        assert status == 200
        assert [item["action"] for item in activity["items"]][:2] == ["log_level", "log_level"]
        assert await one.stop() == 0
    text = one.log.read_text()
    assert CANARY not in text
    events = [json.loads(line) for line in text.splitlines()]
    named = {event["event"] for event in events}
    assert {"starting", "ready", "attempt_started", "log_level_set", "stopped"} <= named
    [replica] = {event["replica"] for event in events}
    assert json.loads(shown.out)["replica"] == replica
    assert all({"level", "timestamp"} <= set(event) for event in events)
    runs = [event for event in events if event["event"].startswith("attempt_")]
    assert all({"run", "job", "attempt"} <= set(event) for event in runs)
