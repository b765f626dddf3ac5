"""The command that reads GitHub, and what doctor says of it, as processes of their own."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from tests.support.daemon import command
from tests.support.github_repository import Item, Repository
from tests.support.github_shop import TOKEN, ago, shop_on
from tests.support.jobs import product

pytestmark = pytest.mark.timeout(120)

QUIET = 'jobs: {cleanup: {cron: "0 0 1 1 *"}}\n'


async def test_github_is_read_from_the_shell(database: str, tmp_path: Path) -> None:
    (tmp_path / "config.yaml").write_text(QUIET)
    async with product(database) as made, shop_on(made) as shop:
        repository = shop.github.add(Repository())
        repository.put(Item(1, ago(days=2), ago(days=2)))
        project, missing = await shop.project(repository), await shop.project("octocat/missing")
        settings = {
            "DATABASE_URL": database,
            "GITHUB_API_URL": shop.github.url,
            "GITHUB_TOKEN": TOKEN,
        }
        ran = await command("github", "sync", "--json", cwd=tmp_path, **settings)
        assert ran.code == 0, ran.err
        data = json.loads(ran.out)["data"]
        assert (data["projectsSynced"], data["projectsFailed"]) == (1, 1)
        one = await command("github", "sync", str(project), cwd=tmp_path, **settings)
        assert one.code == 0, one.err
        assert "projectsSynced" in one.out
        told = await command("github", "analyze", str(project), cwd=tmp_path, **settings)
        assert told.code == 0, told.err
        assert re.search(r"^ issues\.open +1 *$", told.out, re.MULTILINE)
        failed = await command("github", "sync", str(missing), "--json", cwd=tmp_path, **settings)
        assert failed.code == 1
        assert "404" in json.loads(failed.out)["error"]
        wrong = await command("github", "sync", "octocat/hello", cwd=tmp_path, **settings)
        assert wrong.code == 2
        found = await command("doctor", "--json", cwd=tmp_path, **settings)
        [github] = [f for f in json.loads(found.out) if f["check"] == "github"]
        assert github["ok"] is True
        assert "requests left" in github["message"]
        said = "".join(o.out + o.err for o in (ran, one, failed, wrong, found))
        assert TOKEN not in said
        assert "Traceback" not in said
