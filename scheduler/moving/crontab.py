"""What does a crontab say, line by line? Settings, comments, and commands with their times."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final, TypeAlias

from scheduler.timing.cron_fields import CronError, parse_fields

MOST_CHARACTERS: Final = 8_000
"""Of a line; Debian's cron takes 1,000."""
_SETTING: Final = re.compile(
    r"""(?P<quote>["']?)(?P<name>[A-Za-z_][A-Za-z0-9_]*)(?P=quote)\s*=(?P<value>.*)"""
)
_NAMES_HERE: Final = {"@midnight": "@daily", "@annually": "@yearly"}
_USER: Final = re.compile(r"[a-z_][a-z0-9_.-]{0,31}\$?")
_PROGRAMS: Final = frozenset(
    {
        *(
            "wget",
            "curl",
            "sh",
            "bash",
            "env",
            "nice",
            "ionice",
            "timeout",
            "flock",
            "nohup",
            "test",
        ),
        *("cd", "command", "sudo", "chronic", "perl", "php", "python", "python3", "node", "rm"),
        *("run-parts", "find", "echo", "true", "sleep"),
    }
)
_PERCENT: Final = re.compile(r"\\%|%")


@dataclass(frozen=True, slots=True)
class Comment:
    number: int
    text: str


@dataclass(frozen=True, slots=True)
class Setting:
    number: int
    name: str
    value: str


@dataclass(frozen=True, slots=True)
class Timed:
    """A command with its times."""

    number: int
    when: str
    """Five fields or a name, not yet looked at."""
    command: str
    """Up to the first % that is not escaped; escaped ones are plain here."""
    stdin: str | None = None
    """What comes after it, as the command's standard input."""


@dataclass(frozen=True, slots=True)
class Broken:
    number: int
    why: str


Line: TypeAlias = Comment | Setting | Timed | Broken


def read_crontab(text: str, *, system: bool | None = None) -> tuple[Sequence[Line], bool]:
    """Its lines, and whether it has a column for the user, as /etc/crontab has.

    Without `system` that is told from the lines.
    """
    lines = [
        (number, line.strip(" \t\r"))
        for number, line in enumerate(text.removeprefix("\ufeff").split("\n"), start=1)
    ]
    if system is None:
        system = _has_users(line for _, line in lines)
    return [_line(number, line, system) for number, line in lines if line], system


def is_timed(line: str) -> bool:
    """Whether it begins as a command with its times does."""
    when, rest = _split(line)
    try:
        parse_fields(when)
    except CronError:
        return bool(rest) and when.startswith("@")
    return bool(rest)


def _line(number: int, line: str, system: bool) -> Line:
    if line.startswith("#"):
        return Comment(number, line.lstrip("#").strip())
    if len(line) > MOST_CHARACTERS:
        return Broken(number, "is longer than any line that cron takes")
    if (found := _SETTING.fullmatch(line)) is not None:
        return Setting(number, found["name"], _unquoted(found["value"].strip()))
    when, command = _split(line)
    if system:
        command = re.sub(r"^[^ \t]*[ \t]*", "", command)
    if not command:
        lacking = "a user and a command" if system else "a command"
        return Broken(number, f"is no line of a crontab: it needs five fields and {lacking}")
    return Timed(number, _NAMES_HERE.get(when.lower(), when), *_without_input(command))


def _split(line: str) -> tuple[str, str]:
    """The times and the rest."""
    # SUSE and Red Hat write a - before what is not to be logged.
    line = line.removeprefix("-")
    count = 1 if line.startswith("@") else 5
    words = re.split(r"[ \t]+", line, maxsplit=count)
    return " ".join(words[:count]), words[count] if len(words) > count else ""


def _unquoted(value: str) -> str:
    if len(value) >= 2 and value[0] == value[-1] and value[0] in "\"'":
        return value[1:-1]
    return value


def _without_input(command: str) -> tuple[str, str | None]:
    """A % is the end of the command, and then of a line of its input, unless it is escaped."""
    parts, at = [""], 0
    for found in _PERCENT.finditer(command):
        parts[-1] += command[at : found.start()]
        at = found.end()
        if found[0] == "%":
            parts.append("")
        else:
            parts[-1] += "%"
    parts[-1] += command[at:]
    return parts[0].strip(" \t"), "\n".join(parts[1:]) + "\n" if len(parts) > 1 else None


def _has_users(lines: Iterator[str]) -> bool:
    """Whether every command begins with a word that looks like a user, and goes on like one."""
    seen = False
    for line in lines:
        if (
            not line
            or line.startswith("#")
            or len(line) > MOST_CHARACTERS
            or _SETTING.fullmatch(line)
        ):
            continue
        user, _, command = re.sub(r"[ \t]+", " ", _split(line)[1]).partition(" ")
        first = command.partition(" ")[0]
        goes_on = first.startswith(("/", "[", "(", "$", '"', ".")) or "=" in first
        if (
            not _USER.fullmatch(user)
            or user in _PROGRAMS
            or not (goes_on or first in _PROGRAMS or (user == "root" and first))
        ):
            return False
        seen = True
    return seen
