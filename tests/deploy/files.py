"""The files of `deploy/` as data, and the schemas that they are held against."""

from __future__ import annotations

import json
import re
from functools import cache
from pathlib import Path
from typing import Any

import yaml
from jsonschema import Draft202012Validator

from scheduler.settings import Settings

ROOT = Path(__file__).resolve().parents[2]
DEPLOY = ROOT / "deploy"
KUBERNETES = DEPLOY / "kubernetes"
SCHEMAS = ROOT / "tests" / "fixtures" / "schemas"
RELEASES = ("1.30", "1.37")
"""Of Kubernetes: the oldest and the newest that the manifests are held against."""
SECRETS_DIR = "SECRETS_DIR"
"""The one variable that is no setting: where settings are read from."""

Manifest = dict[str, Any]


def settings_names() -> set[str]:
    """The environment's names of all settings."""
    return {
        str(field.validation_alias or name).upper() for name, field in Settings.model_fields.items()
    }


def dockerfile_uid() -> int:
    uid = re.search(r"^USER (\d+):\1$", (ROOT / "Dockerfile").read_text(), re.MULTILINE)
    assert uid
    return int(uid[1])


def manifests(folder: Path = KUBERNETES) -> list[Manifest]:
    """Everything below a folder that Kubernetes, not kustomize, is given."""
    return [
        manifest
        for path in sorted(folder.rglob("*.yaml"))
        if path.name != "kustomization.yaml"
        for manifest in yaml.safe_load_all(path.read_text())
        if manifest is not None
    ]


def named(kind: str, given: list[Manifest]) -> list[Manifest]:
    return [manifest for manifest in given if manifest["kind"] == kind]


def kubernetes_errors(manifest: Manifest, release: str) -> list[str]:
    validator = _kind(release, manifest.get("kind", ""))
    if validator is None:
        return [f"kind {manifest.get('kind')!r} has no schema here"]
    return _errors(validator, manifest)


def compose_errors(compose: Manifest) -> list[str]:
    return _errors(_compose(), compose)


@cache
def _kind(release: str, kind: str) -> Draft202012Validator | None:
    schema = json.loads((SCHEMAS / f"kubernetes-{release}.json").read_text())
    found = schema["kinds"].get(kind)
    return _validator({**found, "$defs": schema["$defs"]}) if found else None


@cache
def _compose() -> Draft202012Validator:
    return _validator(json.loads((SCHEMAS / "compose-spec.json").read_text()))


def _validator(schema: Manifest) -> Draft202012Validator:
    Draft202012Validator.check_schema(schema)
    return Draft202012Validator(schema)


def _errors(validator: Draft202012Validator, instance: Manifest) -> list[str]:
    found = validator.iter_errors(instance)
    return [f"{error.json_path}: {error.message[:200]}" for error in found]


def changed(given: Manifest, path: str, value: object) -> Manifest:
    """A copy with another value at `a/0/b`; None takes it away."""
    copy: Manifest = json.loads(json.dumps(given))
    *parents, last = [int(part) if part.isdecimal() else part for part in path.split("/")]
    place: Any = copy
    for part in parents:
        place = place[part]
    if value is None:
        del place[last]
    else:
        place[last] = value
    return copy
