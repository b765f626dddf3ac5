"""What would a shell make of a command line? Its commands and their words; none is ever run.

A word is a text in which `${NAME}` stands for a variable and `$$` for a dollar.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Final

from scheduler.moving.errors import CannotError

_NAME: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_REDIRECTION: Final = re.compile(r"(\d*)(&>>|&>|>>|>\||>&|<&|<<<|<<|<>|>|<)")
_JOINING: Final = re.compile(r"&&|\|\||\|&|;;|[|;&()\n]")
_BLANK: Final = frozenset(" \t")
_COMPOUND: Final = frozenset(
    {
        *("if", "then", "else", "elif", "fi", "for", "while", "until", "do", "done", "case"),
        *("esac", "select", "function", "{", "}", "!", "[["),
    }
)
INSIDE: Final = "runs a command inside the line, and lamplighter runs none"


@dataclass(slots=True)
class Command:
    """One command of a line."""

    joined_by: str
    """What stands between it and the one before: `;`, `&&`, `||`, `|`, or nothing for the first."""
    words: list[str] = field(default_factory=list)
    reads_file: bool = False
    """Its standard input comes from a file."""
    output: str = ""
    """The file that its standard output goes to; empty where it is shown."""


def commands_of(line: str) -> list[Command]:
    """Raises `CannotError` for what needs a shell."""
    found = [Command("")]
    at, word = 0, _Word()
    while at < len(line):
        char = line[at]
        if not word.begun and char == "#":
            break
        # Digits before it are its descriptor where they stand alone, else part of a word.
        may_lead_away = char in "<>&" or not word.begun
        if may_lead_away and (redirection := _REDIRECTION.match(line, at)):
            word = _end(word, found[-1])
            at = _redirected(line, redirection, found[-1])
        elif char in _BLANK:
            word = _end(word, found[-1])
            at += 1
        elif joining := _JOINING.match(line, at):
            word = _end(word, found[-1])
            at = joining.end()
            _join(joining[0], line[at:], found)
        else:
            at = word.take(line, at)
    _end(word, found[-1])
    if not found[-1].words and len(found) > 1:
        if found[-1].joined_by != ";":
            raise CannotError(f"ends with {found[-1].joined_by}, which no shell takes")
        found.pop()
    for command in found:
        if not command.words:
            raise CannotError("holds a command without words, which no shell takes")
        if command.words[0] in _COMPOUND:
            raise CannotError(
                "is a loop or a condition of the shell's; write an entry for each call, or leave it"
                " in the crontab"
            )
    return found


def _join(operator: str, rest: str, found: list[Command]) -> None:
    match operator:
        case "&" if not rest.strip(" \t"):
            operator = ";"  # the last command in the background: cron does not wait, nor do we
        case "&":
            raise CannotError(
                "has an & outside of quotes, where a shell ends the command and its address; if it"
                " belongs to the address, put that in quotes and import again"
            )
        case "(" | ")" | ";;":
            raise CannotError("holds a group of commands, which needs a shell")
        case "|&":
            operator = "|"
        case "\n":
            operator = ";"
        case _:
            pass
    found.append(Command(operator))


def _end(word: _Word, command: Command) -> _Word:
    if word.begun:
        command.words.append(word.text)
    return _Word()


def _redirected(line: str, redirection: re.Match[str], command: Command) -> int:
    """Step over a redirection with its target."""
    descriptor, operator = redirection.groups()
    if operator in {"<<", "<<<"}:
        raise CannotError("gives a command its input within the line, which needs a shell")
    at = redirection.end()
    while at < len(line) and line[at] in _BLANK:
        at += 1
    target = _Word()
    while at < len(line) and line[at] not in " \t|;&()<>\n":
        at = target.take(line, at)
    if not target.begun:
        raise CannotError("holds a redirection that leads nowhere")
    if operator.startswith("<") and descriptor in {"", "0"}:
        command.reads_file = True
    elif operator in {">", ">>", ">|", "&>", "&>>"} and descriptor in {"", "1"}:
        command.output = target.text
    return at


class _Word:
    """One word while it is read."""

    def __init__(self) -> None:
        self.text = ""
        self.begun = False

    def take(self, line: str, at: int) -> int:
        """Read what begins at `at`, and return where it ends."""
        self.begun = True
        match line[at]:
            case "'":
                end = line.find("'", at + 1)
                if end < 0:
                    raise CannotError("has a quote that does not end")
                self.text += line[at + 1 : end].replace("$", "$$")
                return end + 1
            case '"':
                return self._within_quotes(line, at + 1)
            case "\\":
                if at + 1 >= len(line):
                    raise CannotError("ends with a backslash; a crontab's lines do not go on")
                self._literally(line[at + 1])
                return at + 2
            case "$":
                return self._expansion(line, at, quoted=False)
            case "`":
                raise CannotError(INSIDE)
            case char:
                self.text += char
                return at + 1

    def _within_quotes(self, line: str, at: int) -> int:
        while at < len(line):
            match line[at]:
                case '"':
                    return at + 1
                case "\\" if line[at + 1 : at + 2] in {"$", "`", '"', "\\"}:
                    self._literally(line[at + 1])
                    at += 2
                case "$":
                    at = self._expansion(line, at, quoted=True)
                case "`":
                    raise CannotError(INSIDE)
                case char:
                    self.text += char
                    at += 1
        raise CannotError("has a quote that does not end")

    def _literally(self, char: str) -> None:
        self.text += "$$" if char == "$" else char

    def _expansion(self, line: str, at: int, *, quoted: bool) -> int:
        if name := _NAME.match(line, at + 1):
            self.text += f"${{{name[0]}}}"
            return name.end()
        following = line[at + 1 : at + 2]
        if following == "{":
            end = line.find("}", at)
            inner = line[at + 2 : end] if end > 0 else ""
            if not _NAME.fullmatch(inner):
                raise CannotError(
                    "has a ${...} that is more than a name, which needs a shell; write ${NAME}"
                )
            self.text += f"${{{inner}}}"
            return end + 1
        if following == "(":
            raise CannotError(INSIDE)
        if following and (following in "0123456789@*#?!$-" or (not quoted and following in "'\"")):
            raise CannotError(f"has a ${following}, which only a shell knows")
        self.text += "$$"
        return at + 1
