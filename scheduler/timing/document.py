"""What stands where in a YAML file? A small tree whose nodes know their lines, or problems.

It reads the part of YAML that a schedule needs: mappings, lists and scalars of one document.
Aliases, anchors, tags, merge keys and duplicate keys are refused, size and depth are capped, so
that no file can take long to read or mean something else than it shows.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Final, TypeAlias

import yaml

from scheduler.suggest import shortened, shown

MAX_BYTES: Final = 2 * 1024 * 1024
MAX_DEPTH: Final = 10
MAX_PROBLEMS: Final = 1000
_MAX_REPAIRS: Final = 20

_LOADER: Final = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_LINE: Final = re.compile(r"[^\r\n\x85\u2028\u2029]*(?:\r\n|[\r\n\x85\u2028\u2029]|$)")
_UNREADABLE: Final = re.compile(
    r"[^\t\n\r\x20-\x7e\x85\xa0-\ud7ff\ue000-\ufefe\uff00-\ufffd\U00010000-\U0010ffff]"
)
_UNQUOTED: Final = re.compile(r"(?P<before>[^#]*?:[ \t]+)(?P<value>[*@][^\r\n\x85\u2028\u2029]*)")


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing that is wrong with the file."""

    file: str
    line: int
    """1-based; 0 where it is about the whole file."""
    key: str
    """Its way down the file, such as `jobs.cleanup.timeout`; empty for the file."""
    message: str
    """What is wrong, and what is allowed."""

    def __str__(self) -> str:
        place = f"{self.file}:{self.line}" if self.line else self.file
        return f"{place}: {self.key}: {self.message}" if self.key else f"{place}: {self.message}"


class TooManyProblemsError(Exception):
    """Enough is known; reading stops."""


@dataclass(slots=True)
class Problems:
    """The problems of one file, in the order of their lines."""

    file: str
    _found: list[Problem] = field(default_factory=list)

    def add(self, line: int, path: Sequence[str | int], message: str) -> None:
        """Note one more. Raises `TooManyProblemsError` at a thousand."""
        key = ".".join(_key_shown(str(part)) for part in path)
        self._found.append(Problem(self.file, line, key, message))
        if len(self._found) >= MAX_PROBLEMS:
            raise TooManyProblemsError

    def forget(self) -> None:
        """Begin again."""
        self._found.clear()

    def __len__(self) -> int:
        return len(self._found)

    def __iter__(self) -> Iterator[Problem]:
        return iter(sorted(self._found, key=lambda problem: problem.line))


@dataclass(slots=True)
class Scalar:
    text: str
    plain: bool
    """Written without quotes: only then may it be a number, a switch or nothing."""
    line: int


@dataclass(slots=True)
class Map:
    line: int
    items: dict[str, Node] = field(default_factory=dict)
    lines: dict[str, int] = field(default_factory=dict)
    """Where each key stands."""
    complete: bool = True
    """False where keys may be missing because something in it could not be read."""
    damaged: bool = False
    """A key or value in it was refused, and left out."""


@dataclass(slots=True)
class List:
    line: int
    items: list[Node] = field(default_factory=list)


Node: TypeAlias = Scalar | Map | List
Path: TypeAlias = tuple[str | int, ...]


def read_document(text: str, problems: Problems) -> Node | None:
    """Read as much of the file as can be read; what is wrong with it goes to `problems`."""
    if not _readable(text, problems):
        return None
    lines = _LINE.findall(text.removeprefix("\ufeff"))
    quoted: set[int] = set()
    while True:
        problems.forget()
        reader = _Reader(problems, quoted)
        try:
            reader.read("".join(lines))
        except (yaml.YAMLError, ValueError) as error:
            number = _line_of(error, text)
            if len(quoted) < _MAX_REPAIRS and number not in quoted and _quote(lines, number):
                quoted.add(number)
                continue
            problems.add(number, (), _syntax(error))
        except _TooDeepError as error:
            problems.add(error.line, (), f"is nested too deeply; allowed are {MAX_DEPTH} levels")
        return reader.root


class _TooDeepError(Exception):
    def __init__(self, line: int) -> None:
        super().__init__(line)
        self.line = line


class _Reader:
    def __init__(self, problems: Problems, quoted: set[int]) -> None:
        self.root: Node | None = None
        self._problems = problems
        self._quoted = quoted

    def read(self, text: str) -> None:
        events = iter(yaml.parse(text, Loader=_LOADER))
        for event in events:
            if isinstance(event, yaml.DocumentStartEvent):
                if self.root is not None:
                    self._refuse(event, (), "a second document begins here; allowed is one")
                    return
            elif isinstance(event, yaml.NodeEvent):
                self._fill(event, events, (), self._node(event, ()))

    def _node(self, event: yaml.Event, path: Path) -> Node:
        """Make the node that an event begins, still empty if it holds others."""
        anchor, tag = getattr(event, "anchor", None), getattr(event, "tag", None)
        if anchor is not None and not isinstance(event, yaml.AliasEvent):
            self._refuse(
                event, path, f"anchors (&{shortened(str(anchor))}) are not allowed; leave it out"
            )
        if tag is not None:
            self._refuse(event, path, f"tags ({shown(tag)}) are not allowed; leave it out")
        line = _line(event)
        node: Node
        match event:
            case yaml.MappingStartEvent():
                node = Map(line, complete=False)
            case yaml.SequenceStartEvent():
                node = List(line)
            case yaml.ScalarEvent():
                node = Scalar(event.value, not event.style, line)
                self._check(node, event, path)
            case _:
                hint = f'; if no alias is meant, put it in quotes: "*{shortened(str(anchor))}"'
                self._refuse(
                    event, path, f"aliases (*{shortened(str(anchor))}) are not allowed{hint}"
                )
                node = Scalar("", plain=True, line=line)
        if self.root is None:
            self.root = node
        return node

    def _fill(
        self, event: yaml.Event, events: Iterator[yaml.Event], path: Path, node: Node
    ) -> None:
        if isinstance(node, Scalar):
            return
        if len(path) >= MAX_DEPTH:
            raise _TooDeepError(_line(event))
        for inner in events:
            if isinstance(inner, yaml.CollectionEndEvent):
                break
            if isinstance(node, List):
                at: Path = (*path, len(node.items))
                child = self._node(inner, at)
                node.items.append(child)
                self._fill(inner, events, at, child)
            else:
                self._pair(inner, events, path, node)
        if isinstance(node, Map):
            node.complete = not node.damaged

    def _pair(self, event: yaml.Event, events: Iterator[yaml.Event], path: Path, node: Map) -> None:
        key = self._node(event, path)
        self._fill(event, events, (*path, "?"), key)
        value_event = next(events)
        if not isinstance(key, Scalar):
            self._refuse(event, path, "a key must be a word, not a list or mapping")
            name = f"?{key.line}"
        else:
            name = key.text
        at = (*path, name)
        child = self._node(value_event, at)
        aliased = isinstance(event, yaml.AliasEvent) or isinstance(value_event, yaml.AliasEvent)
        if name == "<<" and isinstance(key, Scalar) and key.plain:
            self._refuse(event, at, "merge keys (<<) are not allowed; write the keys out")
            node.damaged = True
        elif name in node.items:
            self._refuse(event, at, f"is here twice; the first is in line {node.lines[name]}")
        elif aliased or not isinstance(key, Scalar):
            node.damaged = True
        else:
            node.items[name] = child
            node.lines[name] = key.line
        self._fill(value_event, events, at, child)

    def _check(self, node: Scalar, event: yaml.ScalarEvent, path: Path) -> None:
        if "\x00" in node.text:
            self._refuse(event, path, "contains the character 0, which is not allowed")
        if node.line in self._quoted and event.style == "'" and node.text[:1] in {"*", "@"}:
            word = shortened(node.text)
            self._refuse(event, path, f'what begins with {word[0]} must be in quotes: "{word}"')

    def _refuse(self, event: yaml.Event, path: Path, message: str) -> None:
        self._problems.add(_line(event), path, message)


def _readable(text: str, problems: Problems) -> bool:
    size = len(text.encode("utf-8", "surrogatepass"))
    if size > MAX_BYTES:
        problems.add(0, (), f"is {size:,} bytes long; allowed are {MAX_BYTES:,}")
        return False
    if found := _UNREADABLE.search(text.removeprefix("\ufeff")):
        line = len(_LINE.findall(text[: found.start()] + "x")) - 1
        problems.add(
            max(line, 1), (), f"contains the character {found[0]!r}, which YAML does not allow"
        )
        return False
    return True


def _quote(lines: list[str], number: int) -> bool:
    """Put an unquoted value that begins with `*` or `@` in quotes, so that the rest can be read."""
    if not 1 <= number <= len(lines) or not (found := _UNQUOTED.match(lines[number - 1])):
        return False
    before, value = found["before"], found["value"]
    end = re.search(r"[ \t]+#|[ \t]*$" if "{" not in before else r"[ \t]+#|[,}]|[ \t]*$", value)
    length = end.start() if end else len(value)
    quoted = value[:length].replace("'", "''")
    tail = lines[number - 1][len(before) + length :]
    lines[number - 1] = f"{before}'{quoted}'{tail}"
    return True


def _line(event: yaml.Event) -> int:
    return int(event.start_mark.line) + 1 if event.start_mark else 0


def _line_of(error: Exception, text: str) -> int:
    """Where it was noticed; where that is the end of the file, where what is unfinished begins."""
    at = getattr(error, "problem_mark", None)
    begun = getattr(error, "context_mark", None)
    if at is None or (begun is not None and not "".join(text.splitlines()[at.line :]).strip()):
        at = begun
    return int(at.line) + 1 if at is not None else 1


def _syntax(error: Exception) -> str:
    what = str(getattr(error, "problem", None) or getattr(error, "reason", None) or error)
    context = getattr(error, "context", None)
    hint = ""
    if "cannot start any token" in what:
        hint = '; quote what begins with @, %, ` or a tab, such as "@daily", and indent with spaces'
    elif "alias" in str(context):
        hint = '; quote what begins with *, such as "* * * * *"'
    elif "mapping values are not allowed" in what:
        hint = "; check the indentation, and quote a value that holds a colon and a space"
    while_ = f" {context}" if context else ""
    return f"is not valid YAML: {what}{while_}{hint}"


def _key_shown(part: str) -> str:
    return part if part.isprintable() and len(part) <= 120 else shown(part)
