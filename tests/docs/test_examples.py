"""Do the documents' pieces of code work? A new job and agent are put into the tree and run."""

from __future__ import annotations

import json
import shutil
import sys
from pathlib import Path

import pytest
import yaml

import agents
import jobs
from agents.evaluation.loading import load_cases
from agents.kit.registry import find_agents
from scheduler.running.registry import find_jobs
from scheduler.timing.schedule import load_schedule
from tests.docs.shell import execute
from tests.support.documents import ROOT, Block, blocks

DOCS = ROOT / "docs"
COMPILED = shutil.ignore_patterns("__pycache__")


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """The project with room for what is written by the documents."""
    for path in ROOT.iterdir():
        if path.name in {"jobs", "agents", "tests"}:
            shutil.copytree(path, tmp_path / path.name, ignore=COMPILED)
        elif path.name not in {".git", ".venv", "data"} and not path.name.startswith(".coverage"):
            (tmp_path / path.name).symlink_to(path)
    return tmp_path


def write_files(document: Path, tree: Path) -> list[str]:
    written = []
    for block in (*blocks("python", document), *blocks("sql", document)):
        assert block.file is not None, f"{block} does not say which file it is"
        file = tree / block.file
        assert not file.exists(), f"{block.file} is there already"
        file.write_text(block.text, encoding="utf-8")
        written.append(block.file)
    return written


async def test_the_example_of_a_new_job_works(tree: Path) -> None:
    document = DOCS / "adding-a-job.md"
    files = write_files(document, tree)
    python = f"{sys.executable} -m"
    shown = " ".join(file for file in files if file.endswith(".py"))
    for command in (
        f"{python} pytest -q -p no:cacheprovider tests/jobs -k dormant",
        f"{python} ruff check --no-cache --config {ROOT}/pyproject.toml {shown}",
        f"{python} ruff format --no-cache --check --config {ROOT}/pyproject.toml {shown}",
    ):
        status, output = await execute(command, tree, PYTHONPATH=str(tree))
        assert status == 0, output
        if "pytest" in command:
            assert " passed" in output
    [entry] = blocks("yaml", document)
    schedule = (ROOT / "config.yaml").read_text(encoding="utf-8")
    (tree / "with-it.yaml").write_text(schedule.replace("jobs:\n", f"jobs:\n{entry.text}", 1))
    at = {"PYTHONPATH": str(tree), "LAMPLIGHTER_CONFIG": "with-it.yaml"}
    status, output = await execute(f"{python} scheduler check --json", tree, **at)
    assert (status, json.loads(output)["ok"]) == (0, True), output


async def test_the_example_of_a_new_agent_works(tree: Path) -> None:
    [file] = write_files(DOCS / "adding-an-agent.md", tree)
    look = (
        "import agents; from agents.kit.registry import find_agents;"
        "one = find_agents(agents)['gardener']; print(sorted(one.kinds), sorted(one.reads))"
    )
    status, output = await execute(f'{sys.executable} -c "{look}"', tree, PYTHONPATH=str(tree))
    assert (status, output.strip()) == (0, "['stale_issue'] [<Source.ISSUES: 'issue'>]"), output
    command = f"{sys.executable} -m ruff check --no-cache --config {ROOT}/pyproject.toml {file}"
    status, output = await execute(command, tree)
    assert status == 0, output
    assert "gardener" not in find_agents(agents)


OTHER_YAML = {
    DOCS / "adding-a-job.md": "part of a schedule, which is checked with its job above",
    DOCS / "agents.md": "a case for the agents, which is read below",
    DOCS / "alerts.md": "parts of a schedule, which test_alerts puts together",
}
SCHEDULES = [one for one in blocks("yaml") if one.document not in OTHER_YAML]


@pytest.mark.parametrize("block", SCHEDULES, ids=str)
def test_schedules_in_the_documents_are_valid(block: Block, tmp_path: Path) -> None:
    document = yaml.safe_load(block.text)
    if "jobs" not in document:
        document = {"jobs": {}, **document}
    file = tmp_path / "config.yaml"
    file.write_text(yaml.safe_dump(document), encoding="utf-8")
    load_schedule(file, {name: kind.job.params for name, kind in find_jobs(jobs).items()})


def test_the_case_in_the_documents_can_be_played(tmp_path: Path) -> None:
    [block] = blocks("yaml", DOCS / "agents.md")
    (tmp_path / "case.yaml").write_text(block.text, encoding="utf-8")
    [case] = load_cases(tmp_path, find_agents(agents))
    assert case.file.agent == "developer"
