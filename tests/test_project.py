"""Does the project's own plumbing hold: locks, rules that bite, what image and Compose carry?"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path
from typing import Any

import pytest
import yaml
from packaging.requirements import Requirement

from scheduler.settings import Settings

ROOT = Path(__file__).resolve().parent.parent
PYPROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
PACKAGES: list[str] = PYPROJECT["tool"]["hatch"]["build"]["targets"]["wheel"]["packages"]
LOCKS = ["requirements.lock", "requirements-build.lock", "requirements-dev.lock"]


def tool(
    *args: str | Path, cwd: Path = ROOT, stdin: str = "", **env: str
) -> subprocess.CompletedProcess[str]:
    """Run a program of the environment that runs this test."""
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    return subprocess.run(
        args,
        cwd=cwd,
        env=os.environ | {"PATH": path, "NO_COLOR": "1", "COLUMNS": "200"} | env,
        input=stdin,
        capture_output=True,
        text=True,
        check=False,
    )


def locked(lock: str) -> dict[str, Requirement]:
    """The requirements of a lock by name."""
    found = {}
    for line in (ROOT / lock).read_text().splitlines():
        if line and not line.startswith((" ", "#")):
            requirement = Requirement(line.removesuffix("\\").strip())
            found[requirement.name] = requirement
    return found


def packages_copied_to(folder: Path) -> None:
    for package in PACKAGES:
        shutil.copytree(
            ROOT / package, folder / package, ignore=shutil.ignore_patterns("__pycache__")
        )
    shutil.copy(ROOT / "pyproject.toml", folder)


@pytest.mark.parametrize("lock", LOCKS)
def test_a_lock_pins_and_hashes_everything_and_names_no_place(lock: str) -> None:
    text = (ROOT / lock).read_text()

    assert "://" not in text
    assert not re.search(r"^-", text, re.MULTILINE), "options belong to the machine"
    for block in re.split(r"\n(?=[a-z0-9])", text):
        assert re.match(r"[a-z0-9._-]+==\S+", block), block.splitlines()[0]
        assert "--hash=sha256:" in block, block.splitlines()[0]


def test_the_locks_are_what_pyproject_asks_for_and_agree() -> None:
    project, groups = PYPROJECT["project"], PYPROJECT["dependency-groups"]
    asked = {
        "requirements.lock": project["dependencies"],
        "requirements-build.lock": groups["build"],
        "requirements-dev.lock": project["dependencies"] + groups["dev"],
    }
    versions = {lock: locked(lock) for lock in LOCKS}
    for lock, wanted in asked.items():
        for want in map(Requirement, wanted):
            (pin,) = versions[lock][want.name].specifier
            assert want.specifier.contains(pin.version), f"{lock}: run `make lock` for {want}"
    for lock in LOCKS:
        for name, here in versions[lock].items():
            there = versions["requirements-dev.lock"].get(name, here)
            assert here.specifier == there.specifier, f"{lock} and requirements-dev.lock: {name}"


@pytest.mark.parametrize(
    ("code", "message"),
    [
        ("import os\n\nprint(os.environ)\n", "only reader of the environment"),
        ("from os import getenv\n\nprint(getenv('HOST'))\n", "only reader of the environment"),
        ("import time\n\nprint(time.time())\n", "Time is injected"),
        ("from datetime import UTC, datetime\n\nprint(datetime.now(UTC))\n", "Time is injected"),
        ("import datetime as dt\n\nprint(dt.date.today())\n", "Time is injected"),
    ],
)
def test_code_may_not_ask_the_environment_or_the_machines_time(code: str, message: str) -> None:
    def findings(filename: str) -> str:
        check = ("ruff", "check", "--select", "TID251", "--output-format", "concise")
        return tool(*check, "--stdin-filename", filename, "-", stdin=code).stdout

    assert message in findings("jobs/some_job.py")
    assert message in findings("scheduler/web/some_route.py")
    assert message not in findings("scheduler/settings.py")


OFFENCES = {
    "scheduler/web/offence.py": "import jobs\nimport scheduler.app",
    "scheduler/timing/offence.py": "import scheduler.web",
    "scheduler/running/offence.py": "import apscheduler.triggers\nimport scheduler.timing.cron",
    "scheduler/running/retry.py": "import asyncpg",
    "scheduler/watching/offence.py": "import pydantic_settings\nimport scheduler.running.runner",
    "scheduler/db/offence.py": "import scheduler.watching",
    "jobs/offence_one.py": "import jobs.offence_two\nimport scheduler.entry",
    "jobs/offence_two.py": "",
    "scheduler/moving/offence.py": "import subprocess",
    "agents/offence.py": (
        "import gidgethub\nimport openai\nimport prometheus_client\nimport scheduler.entry"
    ),
}


def test_every_import_contract_can_be_broken(tmp_path: Path) -> None:
    packages_copied_to(tmp_path)
    for name, imports in OFFENCES.items():
        file = tmp_path / name
        text = file.read_text() if file.exists() else ""
        file.write_text(f"{text}\n{imports}\n")

    result = tool("lint-imports", "--no-logo", "--no-cache", cwd=tmp_path, PYTHONPATH=str(tmp_path))

    contracts = PYPROJECT["tool"]["importlinter"]["contracts"]
    assert f"Contracts: 0 kept, {len(contracts)} broken." in result.stdout, result.stdout
    assert result.returncode == 1


def test_the_wheel_carries_every_file_of_the_packages(tmp_path: Path) -> None:
    result = tool(sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", tmp_path)
    assert result.returncode == 0, result.stderr
    (wheel,) = tmp_path.glob("*.whl")

    with zipfile.ZipFile(wheel) as archive:
        carried = {name for name in archive.namelist() if ".dist-info/" not in name}

    there = {
        str(file.relative_to(ROOT))
        for package in PACKAGES
        for file in (ROOT / package).rglob("*")
        if file.is_file() and file.suffix not in {".pyc", ".pyo"}
    }
    assert carried == there


def test_what_the_dockerfile_copies_is_let_through_to_the_builder() -> None:
    instructions = (ROOT / "Dockerfile").read_text().splitlines()
    copies = [line.split()[1:-1] for line in instructions if line.startswith("COPY ")]
    sources = {name for names in copies for name in names if not names[0].startswith("--from")}
    let_through = {
        line.removeprefix("!").rstrip("/")
        for line in (ROOT / ".dockerignore").read_text().splitlines()
        if line.startswith("!")
    }

    assert sources == let_through
    assert all((ROOT / name).exists() for name in sources)
    assert sources >= set(PACKAGES)


def seconds(duration: str) -> float:
    return float(duration.removesuffix("s"))


@pytest.mark.parametrize("name", ["compose.yaml", "compose.embedded.yaml"])
def test_compose_sets_what_the_daemon_reads_and_lets_it_drain(name: str) -> None:
    compose: dict[str, Any] = yaml.safe_load((ROOT / "deploy" / name).read_text())
    service = compose["services"]["lamplighter"]
    settings = {str(field.validation_alias or key) for key, field in Settings.model_fields.items()}
    settings = {key.upper() for key in settings}

    assert {*service["environment"]} <= settings
    assert {secret.upper() for secret in service["secrets"]} <= settings
    assert {*service["secrets"]} <= {*compose["secrets"]}
    assert float(service["environment"]["DRAIN_SECONDS"]) < seconds(service["stop_grace_period"])
    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]


def test_every_target_of_make_is_listed_by_help_or_is_part_of_check() -> None:
    makefile = (ROOT / "Makefile").read_text().replace("\\\n", " ")
    phony = re.search(r"^\.PHONY: (.*)$", makefile, re.MULTILINE)
    assert phony
    targets = set(phony[1].split())

    listed = set(re.findall(r"^  make (\S+)", tool("make").stdout, re.MULTILINE))

    assert listed >= {"install", "run", "test", "bench", "bench-data", "check", "lock"}
    parts = re.search(r"^check: ([a-z -]*) ##", makefile, re.MULTILINE)
    assert parts
    assert targets == listed | set(parts[1].split())


def test_install_says_which_python_it_wants(tmp_path: Path) -> None:
    (tmp_path / ".ci").mkdir()
    shutil.copy(ROOT / ".ci" / "install", tmp_path / ".ci")

    result = tool("sh", ".ci/install", cwd=tmp_path, PYTHON="false")

    assert result.returncode == 1
    assert "needs 3.11, 3.12 or 3.13" in result.stderr
    assert "tried false" in result.stderr
    assert not (tmp_path / ".venv").exists()


MOCKS = re.compile(r"\b(unittest\.mock|MagicMock|AsyncMock|mocker|monkeypatch\.setattr)\b")


BREAK_A_PART = {
    "tests/running/test_runner.py",
    "tests/watching/test_upkeep.py",
    "tests/web/test_health.py",
}
"""What they replace raises an exception that nothing else would bring about."""


def test_no_test_replaces_code_by_a_mock() -> None:
    files = [file for file in (ROOT / "tests").rglob("*.py") if file != Path(__file__)]

    mocked = {str(file.relative_to(ROOT)) for file in files if MOCKS.search(file.read_text())}

    assert files
    assert mocked == BREAK_A_PART


PUBLISHED = {
    "reset-credits": "0 0 * * *",
    "check-expirations": "0 1 * * *",
    "aggregate-analytics": "0 2 * * *",
    "sync-newsletter": "0 3 * * *",
    "process-sequences": "0 */6 * * *",
    "update-segments": "0 4 * * *",
    "aggregate-hourly": "0 * * * *",
    "compute-funnels": "0 5 * * *",
    "refresh-cohorts": "0 6 * * 1",
    "cleanup": "0 7 1 * *",
    "orchestration/batch": "0 */6 * * *",
    "orchestration/retry-failed": "30 * * * *",
    "orchestration/cleanup": "0 8 * * 0",
    "process-email-queue": "* * * * *",
    "cleanup-email-logs": "0 3 * * *",
}


def test_the_schedule_that_ships_is_the_published_one() -> None:
    jobs = yaml.safe_load((ROOT / "config.yaml").read_text())["jobs"]

    assert len(jobs) >= 8
    assert {name: entry["cron"] for name, entry in jobs.items()} == {
        name: PUBLISHED[name] for name in jobs
    }
