"""Would Compose take its files, and do they and the image agree with the daemon?"""

from __future__ import annotations

import re
from typing import Any

import pytest
import yaml

from scheduler.web.routes import health
from tests.deploy.files import (
    DEPLOY,
    ROOT,
    Manifest,
    changed,
    compose_errors,
    dockerfile_uid,
    settings_names,
)

FILES = {path.name: yaml.safe_load(path.read_text()) for path in DEPLOY.glob("compose*.yaml")}
BOTH = FILES["compose.yaml"]
DAEMON = "services/lamplighter"


def seconds(duration: str) -> float:
    return float(duration.removesuffix("s"))


def problems(compose: Manifest) -> list[str]:
    """What does not agree with the daemon."""
    service = compose["services"]["lamplighter"]
    environment = service.get("environment", {})
    found = [
        f"{name} is no setting"
        for name in [*environment, *(name.upper() for name in service.get("secrets", []))]
        if name not in settings_names()
    ]
    drain = float(environment.get("DRAIN_SECONDS", 8))
    if not seconds(service.get("stop_grace_period", "10s")) > drain + 2:
        found.append("it is killed before it has drained")
    if any(not port.startswith("127.0.0.1:") for port in service["ports"]):
        found.append("it is open to every network of the machine")
    if "healthcheck" in service or service.get("user"):
        found.append("the image says who it is and how it is")
    for name, one in compose["services"].items():
        if not (
            one.get("read_only")
            and one.get("cap_drop") == ["ALL"]
            and one.get("security_opt") == ["no-new-privileges:true"]
        ):
            found.append(f"{name} has more rights than it needs")
        found += [
            f"{name}: {volume} is no volume"
            for volume in one.get("volumes", [])
            if volume.partition(":")[0] not in compose["volumes"]
        ]
        found += [
            f"{name} begins before what it needs is there"
            for condition in one.get("depends_on", {}).values()
            if condition != {"condition": "service_healthy"}
        ]
    return found


@pytest.mark.parametrize("name", [*FILES])
def test_compose_takes_the_file(name: str) -> None:
    assert compose_errors(FILES[name]) == []
    assert problems(FILES[name]) == []


def test_there_is_one_with_postgresql_and_one_without() -> None:
    assert {name: sorted(one["services"]) for name, one in FILES.items()} == {
        "compose.yaml": ["db", "lamplighter"],
        "compose.embedded.yaml": ["lamplighter"],
    }


@pytest.mark.parametrize(
    ("path", "value"),
    [
        (f"{DAEMON}/stop_grace", "35s"),
        (f"{DAEMON}/read_only", []),
        (f"{DAEMON}/depends_on/db/condition", None),
        ("services", ["lamplighter"]),
        ("service", {}),
    ],
)
def test_the_schema_refuses_a_file_that_is_wrong(path: str, value: Any) -> None:
    assert compose_errors(changed(BOTH, path, value))


@pytest.mark.parametrize(
    ("path", "value", "problem"),
    [
        (f"{DAEMON}/stop_grace_period", "27s", "killed before"),
        (f"{DAEMON}/stop_grace_period", None, "killed before"),
        (f"{DAEMON}/environment/DRAIN_SECONDS", "33", "killed before"),
        (f"{DAEMON}/environment/DRAIN_SECS", "25", "DRAIN_SECS is no setting"),
        (f"{DAEMON}/secrets/0", "cron_secrets", "CRON_SECRETS is no setting"),
        (f"{DAEMON}/ports/0", "3003:3003", "open to every network"),
        (f"{DAEMON}/cap_drop", [], "lamplighter has more rights"),
        ("services/db/read_only", False, "db has more rights"),
        (f"{DAEMON}/volumes/0", "date:/data", "no volume"),
        (f"{DAEMON}/depends_on/db/condition", "service_started", "begins before"),
    ],
)
def test_a_file_that_disagrees_is_found(path: str, value: Any, problem: str) -> None:
    assert problem in "; ".join(problems(changed(BOTH, path, value)))


def test_the_images_own_check_asks_a_route_that_is_there() -> None:
    dockerfile = (ROOT / "Dockerfile").read_text()
    check = re.search(r"HEALTHCHECK .*?c\.request\('GET', '([^']+)'\)", dockerfile, re.DOTALL)
    assert check
    assert check[1] == "/livez"
    assert check[1] in {route.path for route in health.ROUTES}
    assert f"--uid {dockerfile_uid()} " in dockerfile
    assert re.search(r"^STOPSIGNAL SIGTERM$", dockerfile, re.MULTILINE)
