"""Moving over by the real commands: the crontab imported, its calls made, its secrets kept."""

from __future__ import annotations

import asyncio
import json
import re
import sys
from datetime import UTC, datetime, timedelta
from itertools import islice
from pathlib import Path
from typing import Any

import pytest
import yaml
from cronsim import CronSim

from tests.support.daemon import Output, command, daemon, environment
from tests.support.http import answering, saying
from tests.support.machine import connect

pytestmark = pytest.mark.timeout(120)

ROOT = Path(__file__).resolve().parent.parent.parent
PUBLISHED = ROOT / "tests" / "fixtures" / "crontab" / "published"
FROM = datetime(2026, 2, 27, 22, 30, tzinfo=UTC)
SECRET = "a-secret-of-somebody-else"
MIXED = f"""\
GATEWAY_URL=http://gateway:3000
0 3 * * * curl -fsS -H "Authorization: Bearer {SECRET}" $GATEWAY_URL/api/v1/reports
0 4 * * * /usr/local/bin/backup.sh {SECRET}
"""


async def lamplighter(*arguments: str, home: Path, **values: str) -> Output:
    return await command(*arguments, cwd=home, **{"SECRETS_DIR": str(home), **values})


async def fires_of(home: Path, config: Path) -> dict[str, list[datetime]]:
    next_ = ("next", "-n", "60", "--from", FROM.isoformat(), "--json")
    output = await lamplighter(*next_, home=home, LAMPLIGHTER_CONFIG=str(config))
    assert output.code == 0, output.err
    return {
        item["job"]: [datetime.fromisoformat(fire) for fire in item["fires"]]
        for item in json.loads(output.out)
    }


def by_cron(line: str) -> tuple[str, list[datetime]]:
    """The job of a published line, and when cron runs it, read without anything of ours."""
    found = re.fullmatch(r"(\S+ \S+ \S+ \S+ \S+) wget .*\$GATEWAY_URL/api/v1/workers/(\S+)", line)
    assert found, line
    return found[2], list(islice(CronSim(found[1], FROM), 60))


async def test_the_published_crontab_fires_as_before(tmp_path: Path) -> None:
    output = await lamplighter("import", "crontab", str(PUBLISHED), home=tmp_path)
    assert (output.code, "left out" in output.err) == (0, False), output.err
    config = tmp_path / "config.yaml"
    config.write_text(output.out)
    checked = await lamplighter("check", home=tmp_path)
    assert (checked.code, checked.out) == (0, "ok: 13 entries\n")

    lines = [line for line in PUBLISHED.read_text().splitlines() if line and line[0] != "#"]
    before = dict(map(by_cron, lines))
    after = await fires_of(tmp_path, config)
    shipped = await fires_of(tmp_path, ROOT / "config.yaml")
    assert len(before) == 13
    assert after == before
    assert after == {name: fires for name, fires in shipped.items() if fires}
    ours = yaml.safe_load(output.out)["jobs"]
    theirs = yaml.safe_load((ROOT / "config.yaml").read_text())["jobs"]
    assert ours == {name: theirs[name] for name in ours}


async def test_what_is_left_out_is_said_and_the_rest_is_written(tmp_path: Path) -> None:
    (tmp_path / "crontab").write_text(MIXED)
    output = await lamplighter("import", "crontab", "crontab", home=tmp_path)
    assert output.code == 1
    assert "crontab:3: left out: backup.sh: lamplighter runs no programs" in output.err
    assert "set GATEWAY_TOKEN (line 2): what stands behind 'Bearer' in the header" in output.err
    assert SECRET not in output.out + output.err
    (tmp_path / "config.yaml").write_text(output.out)
    checked = await lamplighter("check", home=tmp_path)
    assert checked.code == 1
    assert "jobs.v1-reports.params.headers.Authorization: GATEWAY_TOKEN is not set" in checked.err
    checked = await lamplighter("check", home=tmp_path, GATEWAY_TOKEN=SECRET)
    assert checked.out == "ok: 1 entries\n"


async def test_it_reads_standard_input_and_prints_json(tmp_path: Path) -> None:
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "scheduler", "import", "crontab", "-", "--json"),
        cwd=tmp_path,
        env=environment(SECRETS_DIR=str(tmp_path)),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    out, err = await process.communicate(MIXED.encode())
    assert (process.returncode, err) == (1, b"")
    told = json.loads(out)
    assert told["ok"] is False
    assert told["entries"] == [
        {"name": "v1-reports", "line": 2, "job": "http-request", "cron": "0 3 * * *"}
    ]
    assert [(one["line"], one["command"]) for one in told["leftOut"]] == [(3, "backup.sh")]
    assert [(one["name"], one["lines"]) for one in told["variables"]] == [("GATEWAY_TOKEN", [2])]
    assert list(yaml.safe_load(told["config"])["jobs"]) == ["v1-reports"]
    assert SECRET not in out.decode()


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("nowhere", None, "nowhere cannot be read: No such file"),
        ("binary", b"\xff\xfe\x00", "binary is no UTF-8 text"),
        ("long", b"#" * (1024 * 1024 + 1), "long is longer than a MiB"),
    ],
)
async def test_a_file_that_cannot_be_read_is_a_sentence(
    name: str, content: bytes | None, said: str, tmp_path: Path
) -> None:
    if content is not None:
        (tmp_path / name).write_bytes(content)
    output = await lamplighter("import", "crontab", name, home=tmp_path)
    assert output.code == 2
    assert f"Error: {said}" in output.err
    assert output.out == ""


def schedule(url: str) -> str:
    """One entry that calls `url`, one whose variable is not set."""
    params = {
        "url": f"{url}/reports?day=today",
        "method": "POST",
        "headers": {"Authorization": "Bearer ${REPORT_TOKEN}", "X-Cron": "${CRON_SECRET}"},
        "body": {"token": "${REPORT_TOKEN}"},
        "contains": "thanks",
    }
    entry = {"job": "http-request", "cron": "0 0 1 1 *", "params": params}
    lacking = {"job": "http-request", "cron": "0 0 1 1 *", "params": {"url": "http://x/${NOPE}"}}
    return yaml.safe_dump({"jobs": {"report": entry, "lacking": lacking}})


CRON = "the-secret-of-the-crontab"


async def test_a_call_is_made_as_the_file_says_and_its_secrets_are_nowhere(
    database: str, tmp_path: Path
) -> None:
    echo = f"thanks for {SECRET} and {CRON}"
    async with (
        answering(saying("200 OK", echo)) as there,
        daemon(
            tmp_path,
            schedule(there.url),
            DATABASE_URL=database,
            CRON_SECRET=CRON,
            REPORT_TOKEN=SECRET,
            LOG_LEVEL="debug",
        ) as one,
    ):
        await one.until("/readyz", 200)
        path = "/api/v1/workers/report"
        status, body = await one.call(f"{path}?wait=50", "POST", secret=CRON)
        assert (status, body["data"]["status"]) == (200, 200)
        assert body["data"]["answer"] == "thanks for *** and ***"
        status, refused = await one.call(path, "POST", secret=CRON, json={"url": "http://x/"})
        assert status == 422
        assert "from the schedule file alone" in refused["fields"]["url"]
        status, lacking = await one.call("/api/v1/workers/lacking", secret=CRON)
        assert (status, lacking["error"].partition(";")[0]) == (
            500,
            "lacking failed: NOPE is not set",
        )
        _, run = await one.call(f"/api/v1/runs/{body['runId']}", secret=CRON)
        assert run["params"]["headers"] == {
            "Authorization": "Bearer ${REPORT_TOKEN}",
            "X-Cron": "${CRON_SECRET}",
        }
        [heard] = there.heard
        assert heard.headers["authorization"] == f"Bearer {SECRET}"
        assert heard.headers["idempotency-key"] == body["runId"]
        assert json.loads(heard.body) == {"token": SECRET}
        assert await one.stop() == 0
        everything = one.log.read_text() + await rows_of(database)
    assert "http-request" in everything
    assert SECRET not in everything
    assert CRON not in everything


async def rows_of(database: str) -> str:
    """All that is on record of runs, as text."""
    tables = ("runs", "attempts", "run_logs", "activity")
    async with connect(database) as connection:
        there = await connection.fetch(
            "SELECT c.relname FROM pg_class c WHERE c.relkind = 'r'"
            " AND c.relnamespace = 'lamplighter'::regnamespace ORDER BY 1"
        )
        names = [row["relname"] for row in there]
        assert set(tables) & set(names) >= {"runs", "attempts"}
        rows: list[Any] = []
        for name in names:
            rows += await connection.fetch(f'SELECT * FROM lamplighter."{name}"')  # noqa: S608 - its own names
    return "\n".join(map(repr, map(dict, rows)))


async def test_by_hand_it_runs_only_as_an_entry(database: str, tmp_path: Path) -> None:
    async with answering(saying("200 OK", "thanks")) as there:
        (tmp_path / "config.yaml").write_text(schedule(there.url))
        values = {"DATABASE_URL": database, "CRON_SECRET": CRON, "REPORT_TOKEN": SECRET}

        async def run(*arguments: str) -> Output:
            return await lamplighter("run", *arguments, home=tmp_path, **values)

        done = await run("report", "--json")
        assert (done.code, json.loads(done.out)["data"]["answer"]) == (0, "thanks")
        given = await run("report", "--param", "url=http://elsewhere/")
        assert given.code == 2
        assert "from the schedule file alone" in given.err
        nameless = await run("http-request", "--param", "url=http://elsewhere/")
        assert nameless.code == 1
        assert "it runs only by the name of an entry with `job: http-request`" in nameless.err
        assert "there are lacking, report" in nameless.err
        assert SECRET not in done.out + done.err + given.err + nameless.err
    assert len(there.heard) == 1
    assert timedelta(0) <= timedelta(milliseconds=json.loads(done.out)["data"]["durationMs"])
