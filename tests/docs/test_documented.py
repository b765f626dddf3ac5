"""Is every setting, route, command, job and key documented, and nothing that is not there?"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import click
import pytest
import yaml
from click.testing import CliRunner
from pydantic import SecretStr
from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined

import jobs
from scheduler.cli import main
from scheduler.running.registry import find_endpoints, find_jobs
from scheduler.settings import Settings
from scheduler.timing import schedule
from scheduler.timing.reload import difference
from scheduler.timing.schedule import load_schedule
from scheduler.web.app import ROUTES
from scheduler.web.auth import Access
from scheduler.web.routes.public import routes_of
from tests.support.documents import ROOT, blocks, code_words, table_rows

README = ROOT / "README.md"
SECRETS = {Access.OPEN: "–", Access.CRON: "`CRON_SECRET`", Access.ADMIN: "`ADMIN_SECRET`"}


def settings() -> dict[str, FieldInfo]:
    return {
        str(field.validation_alias or name.upper()): field
        for name, field in Settings.model_fields.items()
    }


def test_every_setting_is_in_the_table_and_no_other() -> None:
    documented = [name for names, *_ in table_rows(README, "setting") for name in code_words(names)]
    assert len(documented) == len(set(documented))
    assert set(documented) == set(settings())


@pytest.mark.parametrize("name", settings())
def test_the_table_has_the_default(name: str) -> None:
    [default] = [row[1] for row in table_rows(README, "setting") if name in code_words(row[0])]
    field = settings()[name]
    if field.default is None or field.default is PydanticUndefined or field.default == ():
        # Nothing, or words that say what then happens.
        assert default
        return
    shown = field.default
    assert not isinstance(shown, SecretStr)
    words = {str(shown), str(shown).lower(), f"{shown:g}" if isinstance(shown, float) else ""} - {
        ""
    }
    assert any(word in default for word in words) or "own" in default or "GitHub's" in default


def test_every_route_is_in_the_table_and_no_other() -> None:
    routes = [*ROUTES, *(route for each in find_endpoints(jobs) for route in routes_of(each))]
    there = {
        f"{route.method} {route.documented_path}": SECRETS[route.access]
        for route in routes
        if route.method != "HEAD"
    }
    documented = {
        route: secret
        for cell, secret, *_ in table_rows(ROOT / "docs" / "http.md", "route")
        for route in code_words(cell)
    }
    assert documented == there


@pytest.mark.parametrize("path", ["", "agents", "github", "import", "alert", "suppression"])
def test_no_line_about_a_command_is_cut_off(path: str) -> None:
    group = main.commands[path] if path else main
    assert isinstance(group, click.Group)
    shown = CliRunner().invoke(group, ["--help"], terminal_width=80).output
    assert shown.partition("Commands:")[2]
    assert "..." not in shown.partition("Commands:")[2]


def commands(group: click.Group, path: str) -> Iterator[str]:
    for name, command in group.commands.items():
        if isinstance(command, click.Group):
            yield from commands(command, f"{path} {name}")
        else:
            yield f"{path} {name}"


def test_every_command_is_in_the_table_and_no_other() -> None:
    documented = [
        name
        for cell, *_ in table_rows(ROOT / "docs" / "commands.md", "command")
        for name in code_words(cell)
    ]
    assert sorted(documented) == sorted(commands(main, "lamplighter"))


def test_every_job_is_in_the_table_and_no_other() -> None:
    documented = [name for cell, *_ in table_rows(README, "job") for name in code_words(cell)]
    assert sorted(documented) == sorted(find_jobs(jobs))


def test_the_reference_of_the_schedule_has_every_key() -> None:
    [reference] = blocks("yaml", README)
    document = yaml.safe_load(reference.text)
    assert set(document) == set(schedule.TOP_KEYS)
    [entry] = document["jobs"].values()
    assert set(entry) == set(schedule.ENTRY_KEYS)
    assert set(entry["retry"]) == set(schedule.RETRY_KEYS)


def test_the_reference_of_the_schedule_shows_the_defaults(
    tmp_path: Path,
) -> None:
    """Whoever copies it changes nothing."""
    [reference] = blocks("yaml", README)
    params = {name: kind.job.params for name, kind in find_jobs(jobs).items()}
    file = tmp_path / "config.yaml"
    file.write_text(reference.text)
    written = load_schedule(file, params)
    file.write_text('jobs:\n  reset-credits: {cron: "0 0 * * *"}\n')
    assert difference(load_schedule(file, params), written).is_nothing


def test_every_kind_of_row_was_found() -> None:
    """A table whose header is renamed must not make these tests pass with nothing."""
    assert len(table_rows(README, "setting")) > 20
    assert re.search("DATABASE_URL", README.read_text(encoding="utf-8"))
