"""How are the nodes of a schedule file read? Whatever is wrong is noted, and defaults stand in."""

from __future__ import annotations

from collections.abc import Callable, Collection
from typing import TypeVar

from scheduler.params import Params, ParamsError, read_params
from scheduler.suggest import did_you_mean, shown
from scheduler.timing.document import List, Map, Node, Path, Problems, Scalar
from scheduler.timing.values import is_nothing, plain_data

T = TypeVar("T")
P = TypeVar("P", bound=Params)


class NodeReader:
    """Reads parts of one file."""

    def __init__(self, problems: Problems) -> None:
        self._problems = problems

    def _keys(self, node: Map, path: Path, allowed: Collection[str]) -> None:
        for key, line in node.lines.items():
            if key not in allowed:
                guess = did_you_mean(key, allowed)
                message = f"is not a key here{guess}; allowed are {', '.join(allowed)}"
                self._problems.add(line, (*path, key), message)

    def _map(self, node: Node, path: Path) -> Map | None:
        if isinstance(node, Map):
            return node
        what = "a list" if isinstance(node, List) else shown(node.text)
        what = "has no value" if is_nothing(node) else f"is {what}"
        self._problems.add(node.line, path, f"{what}; allowed are keys with values (a mapping)")
        return None

    def _value(self, node: Map, path: Path, key: str, read: Callable[[Scalar], T], default: T) -> T:
        at = node.items.get(key)
        if at is None:
            return default
        if not isinstance(at, Scalar):
            self._problems.add(at.line, (*path, key), "is a list or mapping; allowed is one value")
            return default
        try:
            return read(at)
        except ValueError as error:
            what = "has no value: " if is_nothing(at) else ""
            self._problems.add(at.line, (*path, key), f"{what}{error}")
            return default

    def _part(self, node: Map, path: Path, key: str) -> Map:
        """The mapping at `key`; an empty one where it is not there, or has no value."""
        at = node.items.get(key)
        found = None if at is None or is_nothing(at) else self._map(at, (*path, key))
        return found or Map(node.lines.get(key, node.line))

    def _typed(
        self, model: type[P], node: Map, path: Path, *, also: Collection[str] = ()
    ) -> P | None:
        """None where something is wrong. `also` are keys that are read elsewhere, and allowed."""
        raw = {key: plain_data(item) for key, item in node.items.items()}
        try:
            return read_params(model, raw, whose="a key here", also=also)
        except ParamsError as error:
            for problem in error.problems:
                at = line_of(node, problem.path, node.line)
                self._problems.add(at, (*path, *problem.path), problem.message)
        return None


def line_of(params: Map, path: Path, line: int) -> int:
    """Find the line of a parameter, or of what is wrong deeper inside it; `line` if it has none."""
    node: Node = params
    for part in path:
        if isinstance(node, Map) and part in node.items:
            line, node = node.lines[str(part)], node.items[str(part)]
        elif isinstance(node, List) and isinstance(part, int) and part < len(node.items):
            node = node.items[part]
            line = node.line
        else:
            break
    return line
