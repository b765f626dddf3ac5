"""Does doctor hear whether GitHub answers, and what is left?"""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import SecretStr

from agents.github.probe import Probed, probe
from scheduler.services import GitHub
from tests.support.github import GitHubDouble, Misfortune
from tests.support.github_shop import NOW, TOKEN
from tests.support.jobs import Log


async def look(url: str, **values: Any) -> Probed:
    return await probe(GitHub(api_url=url, **values), Log(), lambda: NOW)


async def test_what_is_left_is_told(github: GitHubDouble) -> None:
    github.limit = 5000
    found = await look(github.url, token=SecretStr(TOKEN))
    assert found.ok
    assert found.message == f"{github.url} answers; 5,000 of 5,000 requests left this hour"
    github.limit = 0
    assert not (await look(github.url, token=SecretStr(TOKEN))).ok


async def test_what_is_not_set_up_is_no_fault(github: GitHubDouble) -> None:
    assert await look(github.url) == Probed(True, "not configured: no repository is read")
    found = await look(github.url, encryption_key=SecretStr("x"))
    assert found == Probed(True, "only projects with a token of their own are read")
    assert github.asked == []


@pytest.mark.parametrize(
    ("fate", "ok", "words"),
    [
        (Misfortune(401), False, "not valid"),
        (Misfortune(404), True, "limits nothing"),
        (Misfortune(500), False, "does not answer"),
        (Misfortune(200, body="[]"), False, "no GitHub API"),
        (Misfortune(200, body="<html>"), False, "not JSON"),
    ],
)
async def test_what_is_wrong_is_told(
    github: GitHubDouble, fate: Misfortune, ok: bool, words: str
) -> None:
    github.misfortune = lambda _: fate
    found = await look(github.url, token=SecretStr(TOKEN))
    assert found.ok is ok
    assert words in found.message
    assert TOKEN not in repr(found)


async def test_a_bad_key_of_an_app_and_an_address_where_nobody_is(github: GitHubDouble) -> None:
    found = await look(github.url, app_id="1", app_private_key=SecretStr("x"))
    assert (found.ok, "not the PEM" in found.message) == (False, True)
    assert found.fix is not None
    assert "key" in found.fix
    found = await look("http://127.0.0.1:9", token=SecretStr(TOKEN))
    assert (found.ok, "does not answer" in found.message) == (False, True)
