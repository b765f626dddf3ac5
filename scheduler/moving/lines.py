"""What does a command line of a crontab ask for? Its calls, and what of it does not go over."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Final

from scheduler.moving.errors import CannotError
from scheduler.moving.requests import PROGRAMS, Call, calls_of
from scheduler.moving.shell import Command, commands_of

NO_PROGRAMS: Final = (
    "lamplighter runs no programs of the machine: leave the line in the crontab, or make it a job"
)
PINGED: Final = re.compile(
    r"https?://([\w.-]+\.)?(hc-ping\.com|healthchecks\.io/ping|uptime\.betterstack\.com/api/v1|"
    r"betteruptime\.com/api/v1|cronitor\.link|nosnch\.in|deadmanssnitch\.com)\b",
    re.IGNORECASE,
)
_ASSIGNMENT: Final = re.compile(r"([A-Za-z_][A-Za-z0-9_]*)=(.*)", re.DOTALL)
_SHELLS: Final = frozenset({"sh", "bash", "ash", "dash"})
_SAYING: Final = frozenset({"echo", "printf", "logger", "date"})
_NOTHING: Final = frozenset({"true", ":", "cd", "set", "umask", "ulimit", "exit", "wait"})
_MOST_SHELLS: Final = 3


@dataclass(frozen=True, slots=True)
class Asked:
    """One call, and what is to be said about it."""

    call: Call
    values: Mapping[str, str]
    """Of variables that the line itself sets."""
    notes: Sequence[str] = ()


@dataclass(frozen=True, slots=True)
class LeftOut:
    """A part of the line that does not go over."""

    what: str
    """Its program; nothing of its words."""
    why: str


@dataclass(slots=True)
class Found:
    calls: list[Asked] = field(default_factory=list)
    left_out: list[LeftOut] = field(default_factory=list)


@dataclass(slots=True)
class _Context:
    """What holds for the rest of the line."""

    values: dict[str, str]
    stdin: str | None
    notes: list[str]
    depth: int = 0


def asked_by(line: str, stdin: str | None = None) -> Found:
    found = Found()
    try:
        _line(line, _Context({}, stdin, []), found)
    except CannotError as error:
        return Found(left_out=[LeftOut("", str(error))])
    return found


def asked_by_words(words: Sequence[str]) -> Found:
    """Of a program and its arguments, without a shell."""
    found = Found()
    command = Command("", list(words))
    try:
        found.calls += _command(command, _Context({}, None, []), found)
    except CannotError as error:
        found.left_out.append(LeftOut(_program(command), str(error)))
    return found


def _line(line: str, context: _Context, found: Found) -> None:
    """Raises `CannotError` where nothing of the line can be read."""
    commands = commands_of(line)
    if any(command.joined_by == "|" for command in commands):
        raise CannotError(_piped(commands))
    lost = False
    for command in commands:
        if lost and command.joined_by in {"&&", "||"}:
            found.left_out.append(
                LeftOut(_program(command), "depends on what stands before it and does not go over")
            )
            continue
        try:
            asked = _command(command, context, found)
            if asked:
                _join(command, asked, found)
            lost = False
        except CannotError as error:
            lost = True
            found.left_out.append(LeftOut(_program(command), str(error)))


def _join(command: Command, asked: list[Asked], found: Found) -> None:
    """Raises `CannotError` where the call only makes sense after the one before it."""
    if found.calls and command.joined_by in {"&&", "||", ";"}:
        if command.joined_by == "||":
            raise CannotError(
                "runs only where what stands before it fails: `alerts:` tells people of that"
            )
        if any(PINGED.match(one.call.url) for one in asked):
            raise CannotError(
                "tells a watchman how the call before it went: put its address as `ping:` into that"
                " call's entry"
            )
        after = "after it had succeeded" if command.joined_by == "&&" else "after it"
        note = f"the crontab ran this after the call before it, {after}; now both begin at once"
        note = note.replace(", after it;", ";")
        asked = [replace(one, notes=(*one.notes, note)) for one in asked]
    found.calls.extend(asked)


def _command(command: Command, context: _Context, found: Found) -> list[Asked]:
    """Raises `CannotError`."""
    words, values, notes = _bare(command.words, dict(context.values))
    if not words:
        context.values.update(values)
        return []
    program = posixpath.basename(words[0])
    if program in PROGRAMS:
        if command.reads_file and any(word.endswith("@-") for word in words):
            raise CannotError("sends what a file holds; write that into `body`")
        calls = calls_of(program, words[1:], context.stdin)
        for call in calls:
            call.output = call.output or command.output
        if context.stdin is not None and not any(word.endswith("@-") for word in words):
            raise CannotError(
                "holds a % that is not written as \\%: cron ended the command there, so it never "
                "did what it seems to; write \\% and import again"
            )
        said = [*context.notes, *notes]
        context.notes.clear()
        return [Asked(call, values, said) for call in calls]
    if program in _SHELLS:
        context.notes += notes
        _line(_given_to_shell(words), _deeper(context, values), found)
        return []
    if program in {"export", "declare", "readonly"}:
        pairs = filter(None, map(_ASSIGNMENT.fullmatch, words))
        context.values.update({pair[1]: pair[2] for pair in pairs})
    elif program in {".", "source"}:
        context.notes.append(
            "a file with variables was read before it: set those for lamplighter too"
        )
    elif program == "sleep":
        context.notes.append(
            "the crontab waited a moment before it; `jitter:` spreads what begins at once"
        )
    elif program not in _SAYING | _NOTHING:
        raise CannotError(NO_PROGRAMS)
    return []


def _deeper(context: _Context, values: Mapping[str, str]) -> _Context:
    if context.depth >= _MOST_SHELLS:
        raise CannotError("is a shell within a shell within a shell; write the call itself")
    return _Context({**context.values, **values}, context.stdin, context.notes, context.depth + 1)


def _given_to_shell(words: Sequence[str]) -> str:
    rest = list(words[1:])
    while rest and rest[0].startswith("-"):
        option = rest.pop(0)
        if "c" in option and rest and not option.startswith("--"):
            return rest[0].replace("$$", "$")
    raise CannotError(f"runs a script; {NO_PROGRAMS}")


def _bare(
    words: Sequence[str], values: dict[str, str]
) -> tuple[list[str], dict[str, str], list[str]]:
    """Without what stands before the program: variables of its own, and programs that run it."""
    rest, notes = list(words), list[str]()
    while rest:
        if assignment := _ASSIGNMENT.fullmatch(rest[0]):
            values[assignment[1]] = assignment[2]
            rest.pop(0)
            continue
        program = posixpath.basename(rest[0])
        if program not in _WRAPPERS:
            break
        rest = _WRAPPERS[program](rest[1:], notes)
    return rest, values, notes


def _after_options(with_value: str) -> Callable[[list[str], list[str]], list[str]]:
    """For a program that runs another: `with_value` are the letters of options that take one."""

    def strip(words: list[str], _notes: list[str]) -> list[str]:
        while words and words[0].startswith("-") and len(words[0]) > 1:
            option = words.pop(0)
            if option == "--":
                break
            if len(option) == 2 and option[1] in with_value and words:
                words.pop(0)
        return words

    return strip


def _timeout(words: list[str], notes: list[str]) -> list[str]:
    words = _after_options("ks")(words, notes)
    if words:
        notes.append("`timeout` bounded it: the entry's own `timeout` does now")
    return words[1:]


def _flock(words: list[str], notes: list[str]) -> list[str]:
    words = _after_options("wEF")(words, notes)
    notes.append("`flock` kept it from running twice at a time: `overlap: skip`, the default, does")
    words = words[1:]
    if words[:1] == ["-c"] or words[:1] == ["--command"]:
        return ["sh", "-c", *words[1:]]
    return words


_WRAPPERS: Final[Mapping[str, Callable[[list[str], list[str]], list[str]]]] = {
    "env": _after_options("uCS"),
    "nice": _after_options("n"),
    "ionice": _after_options("cnp"),
    "chronic": _after_options(""),
    "nohup": _after_options(""),
    "setsid": _after_options(""),
    "time": _after_options("fo"),
    "exec": _after_options("a"),
    "command": _after_options(""),
    "sudo": _after_options("ugpCTUh"),
    "timeout": _timeout,
    "flock": _flock,
}


def _piped(commands: Sequence[Command]) -> str:
    programs = [_program(command) for command in commands if command.joined_by == "|"]
    if programs[0] in {"grep", "egrep", "fgrep"}:
        return (
            "looks into the answer with grep: write an entry of http-request whose `contains` is "
            "the text, or leave the line in the crontab"
        )
    if programs[0] in {"logger", "tee", "cat", "ts", "mail", "sendmail"}:
        return (
            f"hands its output to {programs[0]}: leave that out and import again, for the answer is"
            " kept with the run"
        )
    return f"hands its output to a program; {NO_PROGRAMS}"


def _program(command: Command) -> str:
    words, _, _ = _bare(command.words, {})
    name = posixpath.basename(words[0]) if words else ""
    return name if re.fullmatch(r"[\w.+-]{1,40}", name, re.ASCII) else "a command"
