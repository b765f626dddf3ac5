"""What becomes of Kubernetes' CronJobs?"""

from __future__ import annotations

import json
from typing import Any
from zoneinfo import ZoneInfo

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from scheduler.entry import Entry, Overlap
from scheduler.moving.importing import Imported, import_cronjobs
from scheduler.moving.writing import written
from scheduler.settings import own_names
from scheduler.timing.schedule import read_schedule
from tests.moving.test_importing import JOBS, PARAMS

RESET = "http://gateway:3000/api/v1/workers/reset-credits"


def cronjob(
    *words: str, name: str = "nightly", env: Any = (), job: Any = None, **spec: Any
) -> dict[str, Any]:
    container = {"name": "call", "image": "alpine", "command": list(words), "env": list(env)}
    pod = {"restartPolicy": "Never", "containers": [container]}
    return {
        "apiVersion": "batch/v1",
        "kind": "CronJob",
        "metadata": {"name": name},
        "spec": {
            "schedule": "0 3 * * *",
            "concurrencyPolicy": "Forbid",
            "jobTemplate": {"spec": {**(job or {}), "template": {"spec": pod}}},
            **spec,
        },
    }


def imported(*jobs: Any) -> Imported:
    return import_cronjobs(
        yaml.safe_dump_all(jobs), JOBS, ZoneInfo("UTC"), own_settings=own_names()
    )


def entry_of(job: dict[str, Any]) -> Entry:
    found = imported(job)
    assert found.left_out == []
    [entry] = read_schedule(written(found, "x", PARAMS), "x", PARAMS).entries.values()
    return entry


def test_a_program_and_its_arguments() -> None:
    entry = entry_of(
        cronjob("curl", "-fsS", "-H", "Authorization: Bearer $(CRON_SECRET)", RESET, name="a.b")
    )
    assert (entry.name, entry.job, entry.cron) == ("reset-credits", "reset-credits", "0 3 * * *")
    entry = entry_of(cronjob("curl", "http://$(HOST_NAME)/$$(X)/$Y", name="a.b"))
    assert (entry.name, entry.job) == ("a-b", "http-request")
    assert entry.params.model_dump()["url"] == "http://${HOST_NAME}/$$(X)/$$Y"


def test_a_shell_with_a_line() -> None:
    line = f'wget -qO- --header="Authorization: Bearer $CRON_SECRET" {RESET} >/dev/null 2>&1'
    assert entry_of(cronjob("/bin/sh", "-c", line)).job == "reset-credits"
    job = cronjob("sh", "-c")
    [container] = job["spec"]["jobTemplate"]["spec"]["template"]["spec"]["containers"]
    container["args"] = [line]
    assert entry_of(job).job == "reset-credits"


@pytest.mark.parametrize("image", ["curlimages/curl", "docker.io/curlimages/curl:8.11.0", "curl"])
def test_an_image_whose_program_is_curl(image: str) -> None:
    job = cronjob()
    [container] = job["spec"]["jobTemplate"]["spec"]["template"]["spec"]["containers"]
    container |= {"image": image, "args": ["-fsS", RESET]}
    assert entry_of(job).job == "reset-credits"


def test_variables_that_it_sets_itself() -> None:
    env = [
        {"name": "GATEWAY_URL", "value": "http://gateway:3000"},
        {"name": "TOKEN", "valueFrom": {"secretKeyRef": {"name": "s", "key": "k"}}},
    ]
    entry = entry_of(cronjob("curl", "-H", "X-Token: $(TOKEN)", "$(GATEWAY_URL)/x", env=env))
    params = entry.params.model_dump()
    assert params["url"] == "http://gateway:3000/x"
    assert params["headers"] == {"X-Token": "${TOKEN}"}


def test_its_rules() -> None:
    entry = entry_of(
        cronjob(
            *("curl", RESET),
            timeZone="Europe/Berlin",
            suspend=True,
            concurrencyPolicy="Replace",
            job={"activeDeadlineSeconds": 90, "backoffLimit": 0},
        )
    )
    assert entry.timezone.key == "Europe/Berlin"
    assert entry.enabled is False
    assert entry.overlap is Overlap.CANCEL_RUNNING
    assert entry.timeout.total_seconds() == 90
    assert entry.retry.attempts == 1
    entry = entry_of(cronjob("curl", RESET, schedule="CRON_TZ=Asia/Tokyo 30 2 * * *"))
    assert (entry.cron, entry.timezone.key) == ("30 2 * * *", "Asia/Tokyo")
    [(_, note)] = imported(cronjob("curl", RESET, concurrencyPolicy="Allow")).notes
    assert "several could run at a time" in note


def test_lists_and_documents_and_what_is_no_cronjob() -> None:
    listed = {"kind": "List", "items": [cronjob("curl", RESET), {"kind": "ConfigMap"}, 3]}
    found = imported(listed, cronjob("curl", "http://x/a"), {"kind": "Secret"}, "text", None)
    assert [entry.name for entry in found.entries] == ["reset-credits", "nightly"]
    assert [entry.line for entry in found.entries] == [2, 25]
    text = json.dumps(listed)
    as_json = import_cronjobs(text, JOBS, ZoneInfo("UTC"), own_settings=own_names())
    assert [entry.name for entry in as_json.entries] == ["reset-credits"]


@pytest.mark.parametrize(
    ("job", "why"),
    [
        (cronjob(), "says no command"),
        (cronjob("/app/job"), "runs no programs"),
        (cronjob("curl", "-k", RESET), "does not verify certificates"),
        (cronjob("curl", RESET, timeZone="Mars/Base"), "its timeZone is none"),
        (cronjob("curl", RESET, timeZone="../etc/passwd"), "its timeZone is none"),
        (cronjob("curl", RESET, schedule="0 25 * * *"), "25 is out of range"),
        (cronjob("curl", RESET, jobTemplate={}), "not exactly one container"),
        ({"kind": "CronJob"}, "not exactly one container"),
        ({"kind": "CronJob", "spec": [], "metadata": 3}, "not exactly one container"),
    ],
)
def test_what_does_not_go_over(job: dict[str, Any], why: str) -> None:
    found = imported(job)
    assert found.entries == []
    [missing] = found.left_out
    assert why in missing.why


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("a: [", "is no YAML in line 1"),
        ("a: &x 1\nb: *x", "holds aliases"),
        ("a: !!python/object:os.system x\nkind: CronJob", "is no YAML"),
        ("[" * 3000 + "]" * 3000, "is nested too deeply"),
    ],
)
def test_what_is_no_file_of_cronjobs(text: str, why: str) -> None:
    with pytest.raises(ValueError, match=why):
        import_cronjobs(text, JOBS, ZoneInfo("UTC"), own_settings=own_names())


ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner),
    max_leaves=6,
)
PLACES = ["metadata", "schedule", "timeZone", "concurrencyPolicy", "suspend", "jobTemplate"]


@settings(max_examples=200, deadline=None)
@given(st.dictionaries(st.sampled_from(PLACES), ANYTHING), ANYTHING, ANYTHING)
def test_any_values_are_read_or_left_out(odd: dict[str, Any], env: Any, command: Any) -> None:
    job = cronjob("curl", RESET)
    [container] = job["spec"]["jobTemplate"]["spec"]["template"]["spec"]["containers"]
    container |= {"env": env, "command": ["curl", command]}
    job["metadata"] = odd.pop("metadata", job["metadata"])
    job["spec"] |= odd
    found = imported(job)
    assert len(found.entries) + len(found.left_out) >= 1
    written(found, "x", PARAMS)
