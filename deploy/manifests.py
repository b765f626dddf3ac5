"""Writes what Kubernetes needs of a schedule: the ConfigMap, and a CronJob for each entry.

    python -m deploy.manifests [CONFIG]      (make manifests)

Without CONFIG the config.yaml of this tree; the files beside this one are written.
"""

from __future__ import annotations

import re
import sys
from pathlib import Path
from typing import Any

import yaml

from scheduler.app import all_jobs
from scheduler.entry import CatchUp, Entry, Overlap, Schedule
from scheduler.timing.cron import Cron
from scheduler.timing.cron_fields import parse_fields
from scheduler.timing.schedule import load_schedule

ROOT = Path(__file__).resolve().parent.parent
KUBERNETES = Path(__file__).resolve().parent / "kubernetes"
CONFIGMAP = KUBERNETES / "config" / "configmap.yaml"
CRONJOBS = KUBERNETES / "cronjobs" / "cronjobs.yaml"
GENERATED = "# Written by `make manifests` from config.yaml; a test holds both together.\n"
LABEL = {"app.kubernetes.io/name": "lamplighter", "app.kubernetes.io/component": "cronjob"}
STARTUP = 60
"""Seconds for a pod to be placed and to begin."""
POLICIES = {
    # A start that Forbid holds up comes when the run before has ended, within the deadline.
    Overlap.SKIP: "Forbid",
    Overlap.QUEUE: "Forbid",
    Overlap.CANCEL_RUNNING: "Replace",
}


class UntranslatableError(ValueError):
    """The cluster's clock would read it otherwise."""


def cluster_cron(expression: str) -> str:
    """The expression as Kubernetes reads it, which knows no 7 and no `*/2` for "both days".

    Raises `UntranslatableError`.
    """
    fields = parse_fields(expression)
    one_of_both = not (fields.day.full or fields.weekday.full)
    if one_of_both and fields.both_days:
        raise UntranslatableError(
            f"{expression!r} fires where day of month and weekday both match; Kubernetes fires"
            " where either does: write its days as a list, or leave this entry to the daemon"
        )
    # A list of days has no 7, and no star that would count for more than its values.
    days = ",".join(map(str, sorted(fields.weekday.values)))
    rest = ["*" if field.full else field.text for field in fields[:4]]
    return " ".join([*rest, "*" if fields.weekday.full else days])


def longest(entry: Entry) -> int:
    """Seconds that a run may take, its attempts and what lies between them."""
    waits = [
        min(entry.retry.backoff * 2**n, entry.retry.max_backoff)
        for n in range(entry.retry.attempts - 1)
    ]
    return int(entry.timeout.total_seconds() * entry.retry.attempts) + int(
        sum(wait.total_seconds() for wait in waits)
    )


def deadline(entry: Entry) -> int:
    """Seconds within which a missed start is made up for.

    Kubernetes gives up on a CronJob with more than 100 missed starts within them.
    """
    if entry.catch_up is CatchUp.NONE:
        return STARTUP
    period = Cron.parse(entry.cron, entry.timezone).shortest_period()
    return int(min(entry.catch_up_window, 90 * period).total_seconds())


def cronjob(entry: Entry) -> dict[str, Any]:
    name = "lamplighter-" + re.sub(r"[^a-z0-9]+", "-", entry.name.lower()).strip("-")
    if len(name) > 52:
        raise UntranslatableError(f"the entry {entry.name!r} has too long a name for a CronJob")
    pod = {
        "restartPolicy": "Never",
        # SIGTERM cancels the run and records it.
        "terminationGracePeriodSeconds": 35,
        "automountServiceAccountToken": False,
        "enableServiceLinks": False,
        "securityContext": {
            "runAsNonRoot": True,
            "runAsUser": 10001,
            "runAsGroup": 10001,
            "fsGroup": 10001,
            "seccompProfile": {"type": "RuntimeDefault"},
        },
        "containers": [
            {
                "name": "lamplighter",
                "image": "lamplighter:0.1.0",
                "args": ["lamplighter", "run", entry.name, "--reason", "CronJob"],
                "env": [
                    {"name": "LAMPLIGHTER_CONFIG", "value": "/etc/lamplighter/config.yaml"},
                    {"name": "SECRETS_DIR", "value": "/etc/lamplighter-secrets"},
                    {
                        "name": "DATABASE_URL",
                        "valueFrom": {
                            "secretKeyRef": {"name": "lamplighter", "key": "database_url"}
                        },
                    },
                ],
                "resources": {
                    "requests": {"cpu": "50m", "memory": "128Mi"},
                    "limits": {"memory": "512Mi"},
                },
                "securityContext": {
                    "allowPrivilegeEscalation": False,
                    "readOnlyRootFilesystem": True,
                    "capabilities": {"drop": ["ALL"]},
                },
                "volumeMounts": [
                    {"name": "config", "mountPath": "/etc/lamplighter", "readOnly": True},
                    {"name": "secrets", "mountPath": "/etc/lamplighter-secrets", "readOnly": True},
                    {"name": "data", "mountPath": "/data"},
                    {"name": "tmp", "mountPath": "/tmp"},  # noqa: S108 - the container's own
                ],
            }
        ],
        "volumes": [
            {"name": "config", "configMap": {"name": "lamplighter"}},
            {"name": "secrets", "secret": {"secretName": "lamplighter", "defaultMode": 0o440}},
            {"name": "data", "emptyDir": {"sizeLimit": "1Gi"}},
            {"name": "tmp", "emptyDir": {"sizeLimit": "64Mi"}},
        ],
    }
    return {
        "apiVersion": "batch/v1",
        "kind": "CronJob",
        "metadata": {"name": name},
        "spec": {
            "schedule": cluster_cron(entry.cron),
            "timeZone": str(entry.timezone),
            "suspend": not entry.enabled,
            "concurrencyPolicy": POLICIES[entry.overlap],
            "startingDeadlineSeconds": deadline(entry),
            "successfulJobsHistoryLimit": 1,
            "failedJobsHistoryLimit": 3,
            "jobTemplate": {
                "spec": {
                    # A pod that died, a database that was away; the run's own attempts are inside.
                    "backoffLimit": 3,
                    "activeDeadlineSeconds": longest(entry) + 5 * STARTUP,
                    # Exit status 2: what was asked is wrong, and stays so.
                    "podFailurePolicy": {
                        "rules": [
                            {
                                "action": "FailJob",
                                "onExitCodes": {"operator": "In", "values": [2]},
                            },
                            {
                                "action": "Ignore",
                                "onPodConditions": [{"type": "DisruptionTarget", "status": "True"}],
                            },
                        ]
                    },
                    "template": {"metadata": {"labels": LABEL}, "spec": pod},
                }
            },
        },
    }


def cronjobs_yaml(schedule: Schedule) -> str:
    made = [cronjob(entry) for entry in schedule.entries.values()]
    names = [one["metadata"]["name"] for one in made]
    if twice := {name for name in names if names.count(name) > 1}:
        raise UntranslatableError(f"two entries would both be the CronJob {', '.join(twice)}")
    return GENERATED + "".join("---\n" + yaml.safe_dump(one, sort_keys=False) for one in made)


def configmap_yaml(config: str) -> str:
    indented = "".join(
        f"    {line}" if line.strip() else line for line in config.splitlines(keepends=True)
    )
    return (
        f"{GENERATED}apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: lamplighter\n"
        f"data:\n  config.yaml: |\n{indented}"
    )


def schedule_of(config: Path) -> Schedule:
    return load_schedule(config, {name: kind.job.params for name, kind in all_jobs().items()})


def main() -> None:
    config = Path(sys.argv[1]) if len(sys.argv) > 1 else ROOT / "config.yaml"
    cronjobs = cronjobs_yaml(schedule_of(config))
    CONFIGMAP.write_text(configmap_yaml(config.read_text()))
    CRONJOBS.write_text(cronjobs)


if __name__ == "__main__":
    main()
