"""How is an imported schedule written? As YAML, with a comment on where each entry comes from."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import yaml

from scheduler.errors import LamplighterError
from scheduler.moving.entries import HTTP_REQUEST
from scheduler.moving.importing import Entry, Imported, Missing
from scheduler.params import Params
from scheduler.timing.schedule import Problem, ScheduleError, read_schedule


class _Quoted(str):
    """Written in double quotes, as a schedule's expressions are."""

    __slots__ = ()


class _Dumper(yaml.SafeDumper):
    def increase_indent(self, flow: bool = False, indentless: bool = False) -> None:  # noqa: ARG002 - lists stand deeper than their key
        return super().increase_indent(flow, False)


_Dumper.add_representer(
    _Quoted, lambda dumper, text: dumper.represent_scalar("tag:yaml.org,2002:str", text, style='"')
)


OTHERWISE = (
    "http-request follows no redirects, and what is no 2xx is a failure, where curl and wget may "
    "do otherwise."
)


def written(imported: Imported, source: str, jobs: Mapping[str, type[Params]]) -> str:
    """A schedule that is read without a problem: an entry that has one is left out after all.

    Raises `LamplighterError` where it is the whole that has one.
    """
    while True:
        text = _text(imported, source)
        try:
            read_schedule(text, "", jobs)
        except ScheduleError as error:
            _leave_out(imported, error.problems)
        else:
            return text


def _leave_out(imported: Imported, problems: Sequence[Problem]) -> None:
    wrong = {problem.key.removeprefix("jobs.").partition(".")[0]: problem for problem in problems}
    entries = [entry for entry in imported.entries if entry.name in wrong]
    if not entries:
        raise LamplighterError(f"the crontab makes no schedule: {problems[0].message}")
    for entry in entries:
        imported.entries.remove(entry)
        why = f"makes no entry: {wrong[entry.name].message}"
        imported.left_out.append(Missing(entry.line, "", why))


def _text(imported: Imported, source: str) -> str:
    zone = imported.timezone.key
    return "\n".join(
        [
            *_comment(f"Imported from {source}. Look it over, then: lamplighter check"),
            *_comment(f"Times are reckoned in {zone}, where an entry names no other zone."),
            *_comment(
                "A run may take 10 minutes and is attempted three times, where its entry says "
                "nothing else."
            ),
            *(_comment(OTHERWISE) if any(map(_calls, imported.entries)) else ()),
            f"timezone: {zone}",
            "",
            "jobs:" if imported.entries else "jobs: {}",
            *(line for entry in imported.entries for line in _entry(entry)),
            "",
        ]
    )


def _calls(entry: Entry) -> bool:
    return entry.keys.get("job") == HTTP_REQUEST


def _entry(entry: Entry) -> Iterator[str]:
    for text in entry.comments:
        yield from _comment(text, "  ")
    yield from _comment(f"line {entry.line}", "  ")
    for text in entry.notes:
        yield from _comment(text, "  ")
    for line in _yaml({entry.name: {**entry.keys, "cron": _Quoted(entry.keys["cron"])}}):
        yield f"  {line}"


def _yaml(value: Mapping[str, Any]) -> list[str]:
    text: str = yaml.dump(value, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=10**6)
    return text.removesuffix("\n").split("\n")


def _comment(text: str, indent: str = "") -> Iterator[str]:
    """On lines that are not too long; without whatever would end one."""
    words = "".join(char if char.isprintable() else " " for char in text).split()
    line = f"{indent}#"
    for word in words:
        if len(line) + len(word) + 1 > 100 and line.strip() != "#":
            yield line
            line = f"{indent}#"
        line += f" {word}"
    yield line
