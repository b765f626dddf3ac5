"""Does the unit agree with the daemon: its settings, its end, its PostgreSQL?"""

from __future__ import annotations

import re

from tests.deploy.files import DEPLOY, SECRETS_DIR, settings_names


def unit(text: str) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for name, value in re.findall(r"^(\w+)=(.*)$", text, re.MULTILINE):
        found.setdefault(name, []).append(value)
    return found


def problems(text: str) -> list[str]:
    service = unit(text)
    environment = dict(one.split("=", 1) for one in service["Environment"])
    found = [
        f"{name} is no setting"
        for name in environment
        if name not in {*settings_names(), SECRETS_DIR}
    ]
    if not float(service["TimeoutStopSec"][0]) > float(environment["DRAIN_SECONDS"]) + 2:
        found.append("it is killed before it has drained")
    if service["KillMode"] != ["mixed"]:
        found.append("its PostgreSQL is stopped under its jobs")
    if environment["LAMPLIGHTER_DATA_DIR"] != f"/var/lib/{service['StateDirectory'][0]}":
        found.append("it may not write its data directory")
    return found


def test_the_unit_agrees_with_the_daemon() -> None:
    text = (DEPLOY / "lamplighter.service").read_text()
    assert problems(text) == []
    for was, becomes, problem in (
        ("TimeoutStopSec=35", "TimeoutStopSec=27", "killed before"),
        ("KillMode=mixed", "KillMode=control-group", "under its jobs"),
        ("=LAMPLIGHTER_CONFIG=", "=LAMPLIGHTER_CONF=", "LAMPLIGHTER_CONF is no setting"),
        ("StateDirectory=lamplighter", "StateDirectory=lamp", "may not write"),
    ):
        assert was in text
        assert problem in "; ".join(problems(text.replace(was, becomes)))
