"""Do the documents on deployment name files, commands and numbers that there are?"""

from __future__ import annotations

import re
import shlex

import pytest
import yaml

from scheduler.cli import main
from tests.deploy.files import DEPLOY, ROOT, manifests, named

DOCUMENTS = [ROOT / "docs" / f"{name}.md" for name in ("deployment", "upgrade", "backup")]
TEXT = "\n".join(path.read_text() for path in DOCUMENTS)
COMMANDS = [
    line
    for block in re.findall(r"^```sh\n(.*?)^```", TEXT, re.MULTILINE | re.DOTALL)
    for line in block.replace("\\\n", " ").splitlines()
]


def test_every_file_that_is_named_is_there() -> None:
    places = set(re.findall(r"\b(?:deploy|scheduler)/[\w./]*\w", TEXT))
    assert len(places) >= 5
    assert [place for place in places if not (ROOT / place).exists()] == []
    for name in re.findall(r"-f (compose[\w.]*yaml)", TEXT):
        assert (DEPLOY / name).exists()


def test_every_make_target_is_there() -> None:
    targets = {line.split()[1] for line in COMMANDS if line.startswith("make ")}
    assert targets
    makefile = (ROOT / "Makefile").read_text()
    assert [one for one in targets if not re.search(rf"^{one}:", makefile, re.MULTILINE)] == []


OURS = re.compile(r"\blamplighter (?=(?:postgres|migrate) )([^<>]*)")


@pytest.mark.parametrize("line", [line for line in COMMANDS if OURS.search(line)])
def test_every_command_of_ours_can_be_read(line: str) -> None:
    found = OURS.search(line)
    assert found
    name, *arguments = shlex.split(found[1])
    with main.commands[name].make_context(name, arguments) as context:
        assert context.params


def test_the_times_to_stop_are_those_of_the_files() -> None:
    [deployment] = named("Deployment", manifests())
    grace = deployment["spec"]["template"]["spec"]["terminationGracePeriodSeconds"]
    compose = yaml.safe_load((DEPLOY / "compose.yaml").read_text())["services"]["lamplighter"]
    drain = compose["environment"]["DRAIN_SECONDS"]

    assert set(re.findall(r"docker stop -t (\d+)", TEXT)) == {str(grace)}
    assert set(re.findall(r"down --timeout (\d+)", TEXT)) == {str(grace)}
    assert set(re.findall(r"-e DRAIN_SECONDS=(\d+)", TEXT)) == {drain}
    assert f"All files here have {drain} and {grace} s." in TEXT
