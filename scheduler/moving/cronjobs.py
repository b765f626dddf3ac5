"""What do Kubernetes' CronJobs say? When they run, what their container runs, by which rules."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import yaml

_REFERENCE: Final = re.compile(r"\$\$|\$\(([A-Za-z_][A-Za-z0-9_]*)\)|\$")
_ALREADY: Final = re.compile(r"(?:CRON_)?TZ=(\S+)\s+(.*)")
_CURL: Final = re.compile(r"(?:.*/)?curl(?:[:@].*)?")
"""Images whose own program is curl."""
_OVERLAPS: Final = {"Replace": "cancel_running"}


@dataclass(frozen=True, slots=True)
class CronJob:
    number: int
    """The line where it begins."""
    name: str
    when: str
    zone: str | None
    words: Sequence[str]
    """Its container's program and arguments: `${NAME}` is a variable, `$$` a dollar."""
    values: Mapping[str, str]
    """Of the variables that it sets itself."""
    keys: Mapping[str, Any] = field(default_factory=dict)
    notes: Sequence[str] = ()


@dataclass(frozen=True, slots=True)
class Unfit:
    number: int
    name: str
    why: str


def read_cronjobs(text: str) -> list[CronJob | Unfit]:
    """From documents of YAML or JSON, or lists of them; what is no CronJob is passed by.

    Raises `ValueError` where it is neither.
    """
    try:
        # A few of them can stand for more than fits into a machine.
        if any(isinstance(event, yaml.AliasEvent) for event in yaml.parse(text, yaml.SafeLoader)):
            raise ValueError("holds aliases (*name); write out what they stand for")
        return [_read(number, document) for number, document in _documents(text)]
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        place = f" in line {mark.line + 1}" if mark else ""
        raise ValueError(f"is no YAML{place}") from None
    except RecursionError:
        raise ValueError("is nested too deeply") from None


def _documents(text: str) -> Iterator[tuple[int, Mapping[str, Any]]]:
    loader = yaml.SafeLoader(text)
    try:
        while loader.check_node():
            for node in _parts(loader.get_node()):
                document = loader.construct_document(node)
                if isinstance(document, dict) and document.get("kind") == "CronJob":
                    yield node.start_mark.line + 1, document
    finally:
        loader.dispose()


def _parts(node: yaml.Node | None) -> Iterator[yaml.Node]:
    """A document, or those that a list of kubectl's holds."""
    if not isinstance(node, yaml.MappingNode):
        return
    for key, value in node.value:
        if getattr(key, "value", None) == "items" and isinstance(value, yaml.SequenceNode):
            yield from (item for item in value.value if isinstance(item, yaml.MappingNode))
            return
    yield node


def _read(number: int, document: Mapping[str, Any]) -> CronJob | Unfit:
    name = str(_at(document, "metadata", "name") or "?")[:100]
    spec = _at(document, "spec")
    pod = _at(document, "spec", "jobTemplate", "spec", "template", "spec")
    containers = _at(pod, "containers")
    if not isinstance(containers, list) or len(containers) != 1 or _at(pod, "initContainers"):
        return Unfit(number, name, "has not exactly one container; write an entry by hand")
    command = _texts(_at(containers[0], "command"))
    if not command and _CURL.fullmatch(str(_at(containers[0], "image"))):
        command = ["curl"]
    words = [*command, *_texts(_at(containers[0], "args"))]
    if not command:
        return Unfit(
            number, name, "says no command, so its image runs what only it knows: a program"
        )
    zone, when = _at(spec, "timeZone"), str(_at(spec, "schedule") or "")
    if (found := _ALREADY.fullmatch(when)) is not None:
        zone, when = found[1], found[2]
    env = _at(containers[0], "env")
    values = {
        str(one.get("name")): one["value"]
        for one in (env if isinstance(env, list) else [])
        if isinstance(one, dict) and isinstance(one.get("value"), str)
    }
    keys, notes = _rules(document)
    return CronJob(
        number, name, when, zone and str(zone), list(map(_word, words)), values, keys, notes
    )


def _rules(document: Mapping[str, Any]) -> tuple[dict[str, Any], list[str]]:
    keys: dict[str, Any] = {}
    notes: list[str] = []
    spec, job = _at(document, "spec"), _at(document, "spec", "jobTemplate", "spec")
    if _at(spec, "suspend") is True:
        keys["enabled"] = False
    policy = str(_at(spec, "concurrencyPolicy") or "Allow")
    if policy in _OVERLAPS:
        keys["overlap"] = _OVERLAPS[policy]
    elif policy == "Allow":
        notes.append("several could run at a time (concurrencyPolicy: Allow); now one does")
    seconds = _at(job, "activeDeadlineSeconds")
    if isinstance(seconds, int) and 1 <= seconds <= 86_400:
        keys["timeout"] = f"{seconds}s"
    limit = _at(job, "backoffLimit")
    if isinstance(limit, int) and 0 <= limit < 20:
        keys["retry"] = {"attempts": limit + 1}
    return keys, notes


def _at(value: Any, *path: str) -> Any:
    for key in path:
        value = value.get(key) if isinstance(value, dict) else None
    return value


def _texts(value: Any) -> list[str]:
    items = value if isinstance(value, list) else []
    return [str(item) for item in items if isinstance(item, str | int | float)]


def _word(text: str) -> str:
    """`$(NAME)` is Kubernetes' variable; other dollars are what they are, or a shell's."""

    def read(found: re.Match[str]) -> str:
        return f"${{{found[1]}}}" if found[1] else "$$"

    return _REFERENCE.sub(read, text)
