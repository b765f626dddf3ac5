"""Which cases are in a folder? Each file is one; what is wrong with it is said by key."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml
from pydantic import ValidationError

from agents.evaluation.case import Case, CaseFile, CaseProblemError, make_case
from agents.kit.agent import Agent
from scheduler.errors import LamplighterError

SHIPPED = Path(__file__).parent / "cases"
MOST_BYTES = 256 * 1024
MOST_PROBLEMS = 10
CHOICES = frozenset({"literal['silence']", "Expected"})


class CasesError(LamplighterError):
    """A folder has no cases, or broken ones; the text names file and key."""


class _Loader(yaml.SafeLoader):
    """YAML without the same key twice, and without aliases, which can make much of little."""

    def compose_node(self, parent: yaml.Node | None, index: Any) -> yaml.Node | None:
        if self.check_event(yaml.AliasEvent):
            mark = self.peek_event().start_mark  # type: ignore[no-untyped-call]
            raise yaml.MarkedYAMLError(problem="aliases are not allowed", problem_mark=mark)
        return super().compose_node(parent, index)

    def construct_mapping(self, node: Any, deep: bool = False) -> dict[Any, Any]:
        names: set[object] = set()
        for key, _ in node.value:
            problem = None
            if not isinstance(key, yaml.ScalarNode):
                problem = "a key has to be a word"
            elif key.value in names:
                problem = f"the key {key.value!r} is there twice"
            if problem is not None:
                raise yaml.MarkedYAMLError(problem=problem, problem_mark=key.start_mark)
            names.add(key.value)
        return super().construct_mapping(node, deep)


def load_cases(folder: Path, agents: Mapping[str, Agent]) -> Sequence[Case]:
    """All of the folder and its folders, by path. Raises `CasesError` with every broken file."""
    files = sorted({*folder.rglob("*.yaml"), *folder.rglob("*.yml")})
    if not files:
        raise CasesError(f"there are no cases (*.yaml) in {folder}")
    cases: list[Case] = []
    problems: list[str] = []
    for file in files:
        try:
            cases.append(_load(file, file.relative_to(folder).with_suffix("").as_posix(), agents))
        except CasesError as error:
            problems.append(str(error))
    if len(problems) > MOST_PROBLEMS:
        problems = [*problems[:MOST_PROBLEMS], f"and {len(problems) - MOST_PROBLEMS} more files"]
    if problems:
        raise CasesError("\n".join(problems))
    return cases


def _load(file: Path, name: str, agents: Mapping[str, Agent]) -> Case:
    try:
        return make_case(name, CaseFile.model_validate(_read(file)), agents)
    except ValidationError as error:
        found = error.errors(include_url=False)
        lines = [f"{file}: {_key(one['loc'])}: {one['msg']}" for one in found[:MOST_PROBLEMS]]
        raise CasesError("\n".join(lines)) from None
    except CaseProblemError as error:
        raise CasesError(f"{file}: {error}") from None


def _read(file: Path) -> object:
    """Raises `CasesError`."""
    try:
        content = file.read_bytes()
        if len(content) > MOST_BYTES:
            raise CasesError(f"{file}: is larger than {MOST_BYTES >> 10} KiB")
        return yaml.load(content.decode(), Loader=_Loader)  # noqa: S506 - it is a SafeLoader
    except OSError as error:
        raise CasesError(f"{file}: {error.strerror}") from None
    except UnicodeDecodeError:
        raise CasesError(f"{file}: is not UTF-8") from None
    except yaml.MarkedYAMLError as error:
        line = f":{error.problem_mark.line + 1}" if error.problem_mark else ""
        raise CasesError(f"{file}{line}: {error.problem}") from None
    except (yaml.YAMLError, ValueError) as error:
        raise CasesError(f"{file}: {error}") from None
    except RecursionError:
        raise CasesError(f"{file}: is nested too deeply") from None


def _key(location: Sequence[int | str]) -> str:
    """Without the names that pydantic gives to the choices of `expect`."""
    return ".".join(str(part) for part in location if part not in CHOICES) or "the file"
