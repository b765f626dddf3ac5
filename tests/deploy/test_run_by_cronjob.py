"""What a CronJob's pod runs: does it work without any daemon, also after a pod that was killed?"""

from __future__ import annotations

import asyncio
import json
import sys
from pathlib import Path

import pytest

from tests.deploy.files import KUBERNETES, manifests, named
from tests.support.daemon import PATIENCE, Output, command, environment
from tests.support.machine import connect

pytestmark = pytest.mark.timeout(120)

CONFIG = 'jobs: {reset-credits: {cron: "0 0 * * *", retry: {attempts: 2}}}\n'
USER = """
    INSERT INTO subscription_plans (tier, name, credits_per_day) VALUES ('free', 'Free', 10);
    INSERT INTO app_users (email, credits_remaining, credits_reset_at)
    VALUES ('user@example.com', 3, NULL);
"""
[RESET] = [
    one
    for one in named("CronJob", manifests(KUBERNETES / "cronjobs"))
    if one["metadata"]["name"] == "lamplighter-reset-credits"
]
POD = RESET["spec"]["jobTemplate"]["spec"]["template"]["spec"]


def arguments() -> list[str]:
    program, *rest = POD["containers"][0]["args"]
    assert program == "lamplighter"
    return [*rest, "--json"]


async def pod(home: Path, database: str) -> Output:
    return await command(*arguments(), cwd=home, DATABASE_URL=database)


async def test_a_killed_pods_run_is_taken_over_by_the_next(database: str, tmp_path: Path) -> None:
    (tmp_path / "config.yaml").write_text(CONFIG)
    async with connect(database) as connection:
        await connection.execute(USER)
        async with connect(database) as product, product.transaction():
            await product.execute("SELECT FROM app_users FOR UPDATE")
            killed = await asyncio.create_subprocess_exec(
                *(sys.executable, "-m", "scheduler", *arguments()),
                env=environment(DATABASE_URL=database),
                cwd=tmp_path,
                stdout=asyncio.subprocess.DEVNULL,
            )
            deadline = asyncio.get_running_loop().time() + PATIENCE
            while not await connection.fetchval("SELECT count(*) FROM lamplighter.attempts"):
                assert asyncio.get_running_loop().time() < deadline
                await asyncio.sleep(0.05)
            killed.kill()
            await killed.wait()

        early = await pod(tmp_path, database)
        assert early.code == 3, "its lease is not over; the Job's backoff tries again"
        await connection.execute(
            "UPDATE lamplighter.attempts SET heartbeat_at = heartbeat_at - interval '20 s'"
        )
        later = await pod(tmp_path, database)

        assert later.code == 0, later.err
        assert json.loads(later.out)["success"] is True
        runs = await connection.fetch(
            "SELECT status, attempt, reason FROM lamplighter.runs ORDER BY seq"
        )
        assert [tuple(run) for run in runs] == [
            ("succeeded", 2, "CronJob"),
            ("succeeded", 1, "CronJob"),
        ]
        assert await connection.fetchval("SELECT count(*) FROM credit_transactions") == 1


async def test_exit_codes_are_those_that_the_jobs_policy_reads(
    database: str, tmp_path: Path
) -> None:
    [rule] = [
        one["onExitCodes"]["values"]
        for one in RESET["spec"]["jobTemplate"]["spec"]["podFailurePolicy"]["rules"]
        if one["action"] == "FailJob"
    ]
    (tmp_path / "config.yaml").write_text(CONFIG)
    wrong = await command(*arguments(), "--param", "no_such=1", cwd=tmp_path, DATABASE_URL=database)
    away = await pod(tmp_path, "postgresql://127.0.0.1:1/none")
    assert wrong.code in rule
    assert away.code not in {0, *rule}
