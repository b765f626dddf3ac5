"""Would Kubernetes take the manifests, and do they agree with the daemon and its image?"""

from __future__ import annotations

import shutil
import subprocess
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from scheduler.settings import load_settings
from scheduler.web.routes import health
from tests.deploy.files import (
    KUBERNETES,
    RELEASES,
    ROOT,
    SECRETS_DIR,
    Manifest,
    changed,
    dockerfile_uid,
    kubernetes_errors,
    manifests,
    named,
    settings_names,
)

ALL = manifests()
[DEPLOYMENT] = named("Deployment", ALL)
POD = "spec/template/spec"
CONTAINER = f"{POD}/containers/0"


def pods(given: list[Manifest]) -> Iterator[Manifest]:
    """The pod's specification in whatever makes pods."""
    for manifest in given:
        spec = manifest.get("spec", {})
        for template in (
            spec.get("template"),
            spec.get("jobTemplate", {}).get("spec", {}).get("template"),
        ):
            if template:
                yield template["spec"]


def seconds_to_stop(pod: Manifest) -> float:
    [container] = pod["containers"]
    before = container.get("lifecycle", {}).get("preStop", {}).get("exec", {}).get("command", [])
    env = {one["name"]: one.get("value", "") for one in container["env"]}
    drain = float(env.get("DRAIN_SECONDS", 0))
    return drain + (float(before[1]) if before else 0)


def problems(given: list[Manifest]) -> list[str]:
    """What does not agree with the daemon, its settings, its image, or with one another."""
    found = []
    uid = dockerfile_uid()
    routes = {route.path for route in health.ROUTES}
    version = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]
    maps = {one["metadata"]["name"]: one for one in named("ConfigMap", given)}
    for pod in pods(given):
        [container] = pod["containers"]
        security = pod["securityContext"] | container["securityContext"]
        if security.get("runAsUser") != uid or security.get("fsGroup") != uid:
            found.append("the user is not the image's")
        if not (
            security.get("runAsNonRoot")
            and security.get("readOnlyRootFilesystem")
            and security.get("allowPrivilegeEscalation") is False
            and security.get("capabilities") == {"drop": ["ALL"]}
            and security.get("seccompProfile") == {"type": "RuntimeDefault"}
            and pod.get("automountServiceAccountToken") is False
        ):
            found.append("it has more rights than it needs")
        if not pod["terminationGracePeriodSeconds"] > seconds_to_stop(pod) + 2:
            found.append("it is killed before it has drained")
        if container["image"] != f"lamplighter:{version}":
            found.append("the image is not this version's")
        found += [
            f"{one['name']} is no setting"
            for one in container["env"]
            if one["name"] not in {*settings_names(), SECRETS_DIR}
        ]
        found += [
            f"{probe}: {container[probe]['httpGet']['path']} is no route"
            for probe in ("startupProbe", "livenessProbe", "readinessProbe")
            if probe in container and container[probe]["httpGet"]["path"] not in routes
        ]
        mounts = {one["name"]: one["mountPath"] for one in container["volumeMounts"]}
        if {*mounts} != {one["name"] for one in pod["volumes"]}:
            found.append("volumes and mounts differ")
        if any("subPath" in one for one in container["volumeMounts"]):
            found.append("a subPath never sees a change")
        env = {one["name"]: one.get("value", "") for one in container["env"]}
        config = next(one for one in pod["volumes"] if "configMap" in one)
        file = f"{mounts[config['name']]}/config.yaml"
        if env.get("LAMPLIGHTER_CONFIG") != file or "config.yaml" not in maps.get(
            config["configMap"]["name"], {}
        ).get("data", {}):
            found.append("LAMPLIGHTER_CONFIG is not where the ConfigMap is")
        secrets = next(one for one in pod["volumes"] if "secret" in one)
        required = {"name": secrets["secret"]["secretName"], "key": "database_url"}
        if {"name": "DATABASE_URL", "valueFrom": {"secretKeyRef": required}} not in container[
            "env"
        ]:
            found.append("it may begin without its database")
        if env.get(SECRETS_DIR) != mounts[secrets["name"]]:
            found.append("SECRETS_DIR is not where the Secret is")
    labels = [one["spec"]["template"]["metadata"]["labels"] for one in named("Deployment", given)]
    for selector in _selectors(given):
        if not any(selector.items() <= one.items() for one in labels):
            found.append(f"{selector} selects no pod of the Deployment")
    return found


def _selectors(given: list[Manifest]) -> Iterator[dict[str, str]]:
    for one in given:
        match one["kind"]:
            case "Service":
                yield one["spec"]["selector"]
            case "Deployment" | "PodDisruptionBudget":
                yield one["spec"]["selector"]["matchLabels"]
            case "NetworkPolicy":
                yield one["spec"]["podSelector"]["matchLabels"]
            case _:
                pass


@pytest.mark.parametrize("release", RELEASES)
def test_kubernetes_takes_every_manifest(release: str) -> None:
    kinds = {one["kind"] for one in ALL}
    assert kinds >= {"Deployment", "Service", "ConfigMap", "PodDisruptionBudget", "CronJob"}
    assert [error for one in ALL for error in kubernetes_errors(one, release)] == []


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("spec/replicas", "two"),
        ("spec/replica", 2),
        ("spec/selector", None),
        (f"{POD}/terminationGracePeriod", 35),
        (f"{CONTAINER}/livenessProbe/httpGet/port", None),
        (f"{CONTAINER}/resources/limits", ["512Mi"]),
        ("kind", "Deploymet"),
        ("apiVersion", "apps/v1beta1"),
    ],
)
def test_the_schema_refuses_a_manifest_that_is_wrong(path: str, value: object) -> None:
    assert kubernetes_errors(changed(DEPLOYMENT, path, value), RELEASES[-1])


def test_the_manifests_agree_with_daemon_and_image() -> None:
    assert problems(ALL) == []


@pytest.mark.parametrize(
    ("path", "value", "problem"),
    [
        (f"{POD}/terminationGracePeriodSeconds", 30, "killed before"),
        (f"{POD}/securityContext/runAsUser", 1000, "not the image's"),
        (f"{POD}/automountServiceAccountToken", None, "more rights"),
        (f"{CONTAINER}/securityContext/readOnlyRootFilesystem", False, "more rights"),
        (f"{CONTAINER}/livenessProbe/httpGet/path", "/healthz", "/healthz is no route"),
        (f"{CONTAINER}/env/0/name", "LAMPLIGHTER_CONFG", "LAMPLIGHTER_CONFG is no setting"),
        (f"{CONTAINER}/env/0/value", "/etc/config.yaml", "not where the ConfigMap is"),
        (f"{CONTAINER}/env/1/value", "/run/secrets", "not where the Secret is"),
        (f"{CONTAINER}/env/2", None, "without its database"),
        (f"{CONTAINER}/env/2/valueFrom/secretKeyRef/optional", True, "without its database"),
        (f"{CONTAINER}/volumeMounts/0/subPath", "config.yaml", "never sees"),
        (f"{CONTAINER}/image", "lamplighter:0.0.1", "not this version's"),
        (f"{POD}/volumes/2", None, "volumes and mounts differ"),
        ("spec/template/metadata/labels", {"app": "x"}, "selects no pod"),
    ],
)
def test_a_manifest_that_disagrees_is_found(path: str, value: object, problem: str) -> None:
    others = [one for one in ALL if one is not DEPLOYMENT]
    assert problem in "; ".join(problems([*others, changed(DEPLOYMENT, path, value)]))


def test_an_update_keeps_one_daemon_ready_and_a_budget_keeps_one_placed() -> None:
    assert DEPLOYMENT["spec"]["replicas"] == 2
    assert DEPLOYMENT["spec"]["strategy"]["rollingUpdate"] == {"maxSurge": 1, "maxUnavailable": 0}
    [budget] = named("PodDisruptionBudget", ALL)
    assert budget["spec"]["minAvailable"] < DEPLOYMENT["spec"]["replicas"]


def kustomized(folder: Path) -> list[Path]:
    """The manifests that a kustomization takes in, followed as kustomize does."""
    kustomization = yaml.safe_load((folder / "kustomization.yaml").read_text())
    found: list[Path] = []
    for name in kustomization["resources"]:
        place = (folder / name).resolve()
        assert place.exists(), f"{folder}: {name}"
        # kustomize takes a file only from below; a folder with a kustomization from anywhere.
        assert place.is_dir() or place.is_relative_to(folder.resolve()), name
        found += kustomized(place) if place.is_dir() else [place]
    return found


def test_each_kustomization_is_one_of_both_clocks() -> None:
    daemon, cluster = kustomized(KUBERNETES), kustomized(KUBERNETES / "cronjobs")

    every = {path for path in KUBERNETES.rglob("*.yaml") if path.name != "kustomization.yaml"}
    assert {*daemon, *cluster} == every
    for paths, there, not_there in (
        (daemon, "Deployment", "CronJob"),
        (cluster, "CronJob", "Deployment"),
    ):
        kinds = {m["kind"] for path in paths for m in yaml.safe_load_all(path.read_text()) if m}
        assert there in kinds
        assert not_there not in kinds
        assert "ConfigMap" in kinds


@pytest.mark.skipif(not shutil.which("kubectl"), reason="kubectl builds them where it is installed")
@pytest.mark.parametrize("folder", [KUBERNETES, KUBERNETES / "cronjobs"])
def test_kubectl_builds_what_the_schema_takes(folder: Path) -> None:
    built = subprocess.run(
        ["kubectl", "kustomize", folder], capture_output=True, text=True, check=True
    ).stdout
    given = list(yaml.safe_load_all(built))
    assert len(given) >= 5
    assert [error for one in given for error in kubernetes_errors(one, RELEASES[-1])] == []
    images = {pod["containers"][0]["image"] for pod in pods(given)}
    assert images == {"registry.example.com/lamplighter:0.1.0"}


def test_secrets_are_read_as_kubernetes_lays_them(tmp_path: Path, monkeypatch: Any) -> None:
    """A Secret's folder: every file a link into a folder that is itself a link."""
    (tmp_path / "..2026").mkdir()
    (tmp_path / "..data").symlink_to("..2026")
    values = {"cron_secret": "c" * 32, "database_url": "postgresql://u:p@db:5432/lamplighter"}
    for name, value in values.items():
        (tmp_path / "..2026" / name).write_text(value)
        (tmp_path / name).symlink_to(f"..data/{name}")
    monkeypatch.setenv(SECRETS_DIR, str(tmp_path))
    monkeypatch.chdir(tmp_path)
    for name in values:
        monkeypatch.delenv(name.upper(), raising=False)

    settings = load_settings()

    assert settings.cron_secret is not None
    assert settings.database_url is not None
    assert settings.cron_secret.get_secret_value() == values["cron_secret"]
    assert settings.database_url.get_secret_value() == values["database_url"]
