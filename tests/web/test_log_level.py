"""Can the level of the log be changed for a while, by whom, and is that kept?"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest

from tests.support.machine import START
from tests.web.site import CRON, OpenSite

PATH = "/api/v1/log-level"


@pytest.fixture(autouse=True)
def _level_of_the_tests() -> Iterator[None]:
    level = logging.getLogger().level
    yield
    logging.getLogger().setLevel(level)


async def test_it_is_changed_for_a_while_and_that_is_recorded(site: OpenSite) -> None:
    one = await site()
    one.daemon.logs.replica = "one"
    usual = {"level": "info", "configured": "info", "until": None, "replica": "one"}
    assert (await one.admin(PATH)).body == usual
    until = (START + timedelta(minutes=30)).isoformat()
    asked = {"level": "debug", "for": "30m", "reason": "looking for something"}
    answer = await one.admin(PATH, "PUT", json=asked)
    assert (answer.status, answer.body) == (200, {**usual, "level": "debug", "until": until})
    assert logging.getLogger().level == logging.DEBUG
    assert (await one.admin(PATH)).body["until"] == until
    back = await one.admin(PATH, "PUT", json={"level": "info"})
    assert back.body == usual
    assert logging.getLogger().level == logging.INFO
    done = (await one.admin("/api/v1/activity")).body["items"]
    assert [(item["action"], item["target"], item["detail"]) for item in done] == [
        ("log_level", "one", {"level": "info", "until": None}),
        ("log_level", "one", {"level": "debug", "until": until}),
    ]
    assert (done[1]["who"], done[1]["reason"]) == ("admin", "looking for something")


async def test_without_a_time_it_is_ten_minutes(site: OpenSite) -> None:
    one = await site()
    answer = await one.admin(PATH, "PUT", json={"level": "error"})
    assert answer.body["until"] == (START + timedelta(minutes=10)).isoformat()


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({}, "level"),
        ({"level": "loud"}, "level"),
        ({"level": "DEBUG"}, "level"),
        *(
            ({"level": "debug", "for": value}, "for")
            for value in ("0s", "25h", "10", "-1m", "1d", "99999h", 600, None, "", "\uff11m")
        ),
        ({"level": "debug", "until": "2026-01-01T00:00:00Z"}, "until"),
    ],
)
async def test_what_is_no_level_or_time_is_refused(
    site: OpenSite, body: dict[str, Any], field: str
) -> None:
    one = await site()
    before = logging.getLogger().level
    answer = await one.admin(PATH, "PUT", json=body)
    assert (answer.status, list(answer.body["fields"])) == (422, [field])
    assert logging.getLogger().level == before
    assert (await one.admin("/api/v1/activity")).body["items"] == []


async def test_only_the_admin_secret_opens_it(site: OpenSite) -> None:
    one = await site()
    for secret in (None, CRON):
        for method in ("GET", "PUT"):
            answer = await one.call(PATH, method, secret=secret, json={"level": "debug"})
            assert answer.status == 401
    assert (await one.admin(PATH, "POST", json={"level": "debug"})).status == 405
