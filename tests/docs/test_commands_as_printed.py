"""Do the documents' commands do what stands beside them, as they are printed and in their order?

What needs programs that a test has not is named here; every other block runs against a real daemon.
"""

from __future__ import annotations

import re
import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from tests.docs.shell import execute
from tests.support.daemon import daemon
from tests.support.documents import DOCUMENTS, ROOT, Block, blocks

pytestmark = pytest.mark.timeout(180)

DOCS = ROOT / "docs"
SCHEDULE = (ROOT / "config.yaml").read_text(encoding="utf-8")
SECRET = "a-secret-of-the-tests-0123456789"
ELSEWHERE = {
    "make": "installs and starts what the test runs in",
    "docker": "needs Docker; tests/deploy hold the files against their schemas",
    "kubectl": "needs a cluster; tests/deploy hold the files against their schemas",
    "systemctl": "changes the machine",
    "export": "writes to people outside; tests/e2e write to channels of their own",
}
WALKS = {
    ROOT / "README.md",
    *(DOCS / name for name in ("backup.md", "logs.md", "metrics.md", "moving-over.md")),
}
"""The documents whose commands are run below."""
WORD = re.compile(r"(?:^|\|)\s*([\w./-]+)", re.MULTILINE)


def programs(block: Block) -> set[str]:
    return set(WORD.findall(re.sub(r"#.*", "", block.text)))


def walk(document: Path) -> list[Block]:
    """The blocks of a document that can be run here."""
    return [one for one in blocks("sh", document) if not programs(one) & ELSEWHERE.keys()]


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_every_command_is_run_here_or_cannot_be(document: Path) -> None:
    if document not in WALKS:
        assert walk(document) == []
    elif not walk(document):
        pytest.fail("it has no command to run: leave it out of WALKS")


def need(*wanted: str) -> None:
    for program in wanted:
        if not shutil.which(program):
            pytest.skip(f"there is no {program} here")


async def run(block: Block, cwd: Path, port: str, **values: str) -> str:
    """The block as printed, but for the port; its output."""
    text = block.text.replace("localhost:3003", f"127.0.0.1:{port}")
    text = text.replace(".venv/bin/lamplighter", "lamplighter")
    # The daemon of the test is there already.
    text = text.replace("lamplighter serve\n", "")
    status, output = await execute(text, cwd, PORT=port, **values)
    assert status == 0, f"{block}\n{text}\n{output}"
    return output


async def test_the_readme_logs_and_metrics(scratch: Path) -> None:
    need("curl", "wget")
    async with daemon(scratch, SCHEDULE, demo=True) as one:
        await one.until_ready()
        port = one.url.rpartition(":")[2]
        [calls] = walk(ROOT / "README.md")
        output = await run(calls, scratch, port)
        assert output.count('"success": true') == 3
        assert "reset-credits" in output
        for block in walk(DOCS / "logs.md"):
            assert "debug" in await run(block, scratch, port)
        for block in walk(DOCS / "metrics.md"):
            text = block.text.replace("$ADMIN_SECRET", "dev-admin-secret")
            assert "lamplighter_runs_total" in await run(replace(block, text=text), scratch, port)


async def test_moving_over(scratch: Path) -> None:
    need("curl", "wget", "jq")
    crontab = ROOT / "tests" / "fixtures" / "crontab" / "published"
    values = {"CRON_SECRET": SECRET}
    _, imported = await execute(f"lamplighter import crontab {crontab} 2>/dev/null", scratch)
    async with daemon(scratch, imported, name="config", demo=True, CRON_SECRET=SECRET) as one:
        await one.until_ready()
        port = one.url.rpartition(":")[2]
        values = {**values, "GATEWAY_URL": one.url, "LAMPLIGHTER_DATA_DIR": str(scratch / "data")}
        said = {
            str(block): await run(block, scratch, port, **values)
            for block in walk(DOCS / "moving-over.md")
        }
        assert any("succeeded" in output for output in said.values()), said
        written = (scratch / "crontab").read_text()
        assert "0 0 * * * wget" in written
        assert "/api/v1/workers/reset-credits" in written
        assert SECRET not in written
        _, job = await one.call("/api/v1/jobs/reset-credits", secret=SECRET)
        assert job["enabled"] is True


async def test_backup(scratch: Path) -> None:
    backup, restore, *others = walk(DOCS / "backup.md")
    query = "lamplighter postgres psql -Atc 'SELECT count(*) FROM app_users'"
    async with daemon(scratch, SCHEDULE, demo=True) as one:
        await one.until_ready()
        await run(backup, scratch, "0")
        _, users = await execute(query, scratch)
        assert int(users) > 1000
        await one.stop()
    await run(restore, scratch, "0")
    assert (scratch / "data.old").is_dir()
    for block in others:
        await run(block, scratch, "0")
    assert (await execute(query, scratch))[1] == users
