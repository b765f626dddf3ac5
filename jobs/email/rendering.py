"""What becomes of a message's templates: a small, safe part of Jinja2, whatever stands in them.

Templates are written by the product's people, variables by its users; neither may reach anything
beyond the variables, hang the daemon, or fill its memory. So a template may only show variables,
filter them with what cannot make them grow, and choose with `if` and `for`. The `<%= name %>` of
EJS is understood for plain variables.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from math import isfinite
from time import monotonic
from typing import TYPE_CHECKING, Any

from scheduler.errors import JobError

if TYPE_CHECKING:
    from jinja2 import Template, nodes
    from jinja2.runtime import Context
    from jinja2.sandbox import SandboxedEnvironment

MOST_FIELD = 1_000
"""Characters of a variable; the rest of a longer one gives way to an ellipsis."""
MOST_SOURCE = 256 * 1024
"""Characters of a template."""
MOST_OUTPUT = 512 * 1024
"""Characters of what comes out. Gmail shows 100 KB of a message."""
MOST_TURNS = 10_000
"""Turns of all loops of a template together."""
MOST_SECONDS = 2.0
KEPT = 64
"""Compiled templates, in one run."""

EJS_VARIABLE = re.compile(r"<%=\s*([A-Za-z_][A-Za-z0-9_]*)\s*%>", re.ASCII)
FILTERS = frozenset(
    [
        "abs",
        "capitalize",
        "count",
        "d",
        "default",
        "e",
        "escape",
        "first",
        "float",
        "int",
        "last",
        "length",
        "lower",
        "round",
        "string",
        "striptags",
        "title",
        "trim",
        "truncate",
        "upper",
        "urlencode",
    ]
)
"""None makes much out of little, however often it is used."""
TESTS = frozenset(["defined", "undefined", "none", "string", "number", "odd", "even"])
LOOP = frozenset(["index", "index0", "first", "last", "length"])
NODES = frozenset(
    [
        "Template",
        "Output",
        "TemplateData",
        "Name",
        "Const",
        "If",
        "For",
        "CondExpr",
        "Compare",
        "Operand",
        "And",
        "Or",
        "Not",
        "Filter",
        "Test",
        "Getattr",
        "Call",
        "List",
        "Tuple",
        "Neg",
        "Keyword",
    ]
)
TURNS = "#turns"
"""No template can say this name."""
EACH = "#each"


class TemplateError(JobError):
    """A template is not to be understood, or wants too much; the text says what and where."""


class Renderer:
    """Renders templates; remembers those that it has compiled. Of use for one run, in one thread
    at a time.
    """

    def __init__(self) -> None:
        self._environments = {html: _environment(html=html) for html in (True, False)}
        self._compiled: dict[tuple[str, bool], tuple[Template, frozenset[str]]] = {}
        self.unknown: set[str] = set()
        """Variables that templates name and nobody gave; they are empty."""

    def render(self, source: str, variables: Mapping[str, object], *, html: bool) -> str:
        """The text of a template. Variables are escaped where it is HTML; unknown ones are empty.

        Raises `TemplateError`.
        """
        from jinja2 import TemplateError as JinjaError

        try:
            template, names = self._compile(source, html=html)
            self.unknown |= names - variables.keys()
            given = {name: _bounded(value) for name, value in variables.items()}
            parts: list[str] = []
            size = 0
            for part in template.generate({**given, TURNS: _Turns()}):
                size += len(part)
                if size > MOST_OUTPUT:
                    raise TemplateError(f"it becomes longer than {MOST_OUTPUT:,} characters")
                parts.append(part)
            return "".join(parts)
        except JinjaError as error:
            line = getattr(error, "lineno", None)
            raise TemplateError(f"{error.message}{f' (line {line})' if line else ''}") from error
        except RecursionError as error:
            raise TemplateError("it is nested too deeply") from error
        except (ArithmeticError, AttributeError, LookupError, MemoryError) as error:
            raise TemplateError(f"it cannot be worked out: {error}") from error
        except (SyntaxError, TypeError, ValueError) as error:
            raise TemplateError(f"it cannot be worked out: {error}") from error
        except NameError as error:
            # `inf`, which Jinja2 writes for what it has worked out beforehand.
            raise TemplateError("it comes to a number that is too large") from error

    def _compile(self, source: str, *, html: bool) -> tuple[Template, frozenset[str]]:
        kept = self._compiled.get((source, html))
        if kept is not None:
            return kept
        from jinja2 import meta

        if len(source) > MOST_SOURCE:
            raise TemplateError(f"it is longer than {MOST_SOURCE:,} characters")
        environment = self._environments[html]
        tree = environment.parse(without_ejs(source))
        _check(tree)
        names = meta.find_undeclared_variables(tree) - {"range"}
        _count_turns(tree)
        if len(self._compiled) >= KEPT:
            del self._compiled[next(iter(self._compiled))]
        made = environment.from_string(tree), frozenset(names)
        self._compiled[source, html] = made
        return made


def without_ejs(source: str) -> str:
    """`<%= name %>` as Jinja2 says it. Raises `TemplateError` for whatever else EJS can do."""
    text = EJS_VARIABLE.sub(r"{{ \1 }}", source)
    at = text.find("<%")
    if at >= 0:
        said = " ".join(text[at : at + 40].split())
        raise TemplateError(
            f"of EJS only <%= name %> is understood, not {said!r}"
            f" (line {text.count(chr(10), 0, at) + 1}); the rest is to be written for Jinja2"
        )
    return text


def _environment(*, html: bool) -> SandboxedEnvironment:
    from jinja2.sandbox import ImmutableSandboxedEnvironment

    environment = ImmutableSandboxedEnvironment(
        autoescape=html, finalize=_shown, keep_trailing_newline=True, cache_size=0
    )
    environment.filters = {name: environment.filters[name] for name in FILTERS}
    environment.filters[EACH] = _turning()
    environment.globals = {"range": environment.globals["range"]}
    return environment


def _shown(value: object) -> object:
    return "" if value is None else value


def _bounded(value: object) -> object:
    """Single values only; of a text no more than `MOST_FIELD` characters."""
    if isinstance(value, str):
        return value if len(value) <= MOST_FIELD else value[: MOST_FIELD - 1] + "…"
    return value if isinstance(value, int | float) else None


class _Turns:
    """What the loops of one rendering may still do."""

    def __init__(self) -> None:
        self._left = MOST_TURNS
        self._until = monotonic() + MOST_SECONDS

    def count(self, values: Iterable[object]) -> Iterator[object]:
        for value in values:
            self._left -= 1
            if self._left < 0:
                raise TemplateError(f"its loops take more than {MOST_TURNS:,} turns")
            if monotonic() > self._until:
                raise TemplateError(f"its loops take longer than {MOST_SECONDS:g} s")
            yield value


def _turning() -> Callable[..., Iterator[object]]:
    from jinja2 import pass_context

    @pass_context
    def each(context: Context, values: Iterable[object]) -> Iterator[object]:
        turns: _Turns = context[TURNS]
        return turns.count(values)

    return each


def _count_turns(tree: nodes.Template) -> None:
    from jinja2 import nodes

    for loop in tree.find_all(nodes.For):
        loop.iter = nodes.Filter(loop.iter, EACH, [], [], None, None)


def _check(tree: nodes.Template) -> None:
    """Raises `TemplateError` for whatever is not in the small part of the language."""
    from jinja2 import nodes

    for loop in tree.find_all(nodes.For):
        if loop.recursive or not isinstance(loop.target, nodes.Name):
            raise _refusal(loop, "for takes one name and is not recursive")
    allowed = [operand.expr for operand in tree.find_all(nodes.Operand)]
    for node in _all(tree):
        kind = type(node).__name__
        match node:
            case nodes.Filter(name=name) if name not in FILTERS:
                known = ", ".join(sorted(FILTERS))
                raise _refusal(node, f"there is no filter {name!r} here; there are {known}")
            case nodes.Test(name=name) if name not in TESTS:
                known = ", ".join(sorted(TESTS))
                raise _refusal(node, f"there is no test {name!r} here; there are {known}")
            case nodes.Getattr(node=nodes.Name(name="loop"), attr=attr) if attr in LOOP:
                pass
            case nodes.Getattr(attr=attr):
                raise _refusal(node, f"variables are single values, without .{attr}")
            case nodes.Call(node=nodes.Name(name="range"), kwargs=[], dyn_args=None):
                pass
            case nodes.Call():
                raise _refusal(node, "nothing can be called but range")
            case nodes.Const(value=float() as value) if not isfinite(value):
                raise _refusal(node, "a number is too large; 1e308 is the largest")
            case nodes.List() | nodes.Tuple() if node not in allowed:
                raise _refusal(node, "a list can only stand to the right of `in`")
            case _ if kind not in NODES:
                raise _refusal(node, f"{kind} is not allowed in messages")
            case _:
                pass


def _all(tree: nodes.Node) -> Iterator[Any]:
    """Every node, without recursion."""
    waiting = [tree]
    while waiting:
        node = waiting.pop()
        yield node
        waiting.extend(node.iter_child_nodes())


def _refusal(node: nodes.Node, message: str) -> TemplateError:
    return TemplateError(f"{message} (line {node.lineno})")
