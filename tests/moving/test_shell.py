"""Are a command line's words those that a shell would make of it?"""

from __future__ import annotations

import shlex
import subprocess
from collections import defaultdict

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from jobs.calls.texts import filled
from scheduler.moving.errors import CannotError
from scheduler.moving.shell import commands_of

VALUES = {"A": "1st", "B2": "", "_c": "third"}


def words_of(line: str) -> list[list[str]]:
    return [command.words for command in commands_of(line)]


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("wget -qO- http://x/", [["wget", "-qO-", "http://x/"]]),
        ("a 'b c' \"d e\" f\\ g", [["a", "b c", "d e", "f g"]]),
        ("a \"\" ''", [["a", "", ""]]),
        ("a $B ${B} \"$B\" '$B' \\$B", [["a", "${B}", "${B}", "${B}", "$$B", "$$B"]]),
        ('a "\\"\\$\\\\\\n"', [["a", '"$$\\\\n']]),
        ("a http://$HOST:3000/x$Y.z", [["a", "http://${HOST}:3000/x${Y}.z"]]),
        ('a $ b$ "$"', [["a", "$$", "b$$", "$$"]]),
        ("a b#c # d", [["a", "b#c"]]),
        ("a >/dev/null 2>&1", [["a"]]),
        ("a b>c", [["a", "b"]]),
        ("a>>/var/log/x 2>> y c", [["a", "c"]]),
        ("a &>/dev/null", [["a"]]),
        ("2>&1 a 2 > x", [["a", "2"]]),
        ("a 12>x", [["a"]]),
        ("a; b && c || d;", [["a"], ["b"], ["c"], ["d"]]),
        ("a&&b||c", [["a"], ["b"], ["c"]]),
        ("a | b", [["a"], ["b"]]),
        ("a &", [["a"]]),
        ("a '&' \"|\" \\;", [["a", "&", "|", ";"]]),
    ],
)
def test_words(line: str, words: list[list[str]]) -> None:
    assert words_of(line) == words


@pytest.mark.parametrize(
    ("line", "why"),
    [
        ("a $(date)", "runs a command inside"),
        ('a "$(date)"', "runs a command inside"),
        ("a `date`", "runs a command inside"),
        ('a "`date`"', "runs a command inside"),
        ("a ${B:-x}", "more than a name"),
        ("a ${B", "more than a name"),
        ("a $1", "only a shell knows"),
        ("a $?", "only a shell knows"),
        ("a $$", "only a shell knows"),
        ("a $'b'", "only a shell knows"),
        ("a 'b", "a quote that does not end"),
        ('a "b', "a quote that does not end"),
        ("a \\", "ends with a backslash"),
        ("a http://x/?b=1&c=2", "an & outside of quotes"),
        ("(a; b)", "a group of commands"),
        ("if true; then a; fi", "a loop or a condition"),
        ("for i in 1 2; do a; done", "a loop or a condition"),
        ("while true; do a; done", "a loop or a condition"),
        ("{ a; }", "a loop or a condition"),
        ("! a", "a loop or a condition"),
        ("a << E", "needs a shell"),
        ("a <<< b", "needs a shell"),
        ("a >", "leads nowhere"),
        ("a &&", "ends with &&"),
        ("a | ", "ends with |"),
        ("; a", "a command without words"),
        ("a ;; b", "group"),
        ("> x", "a command without words"),
    ],
)
def test_what_needs_a_shell(line: str, why: str) -> None:
    with pytest.raises(CannotError) as caught:
        commands_of(line)
    assert why in str(caught.value)


def test_what_comes_from_a_file_is_marked() -> None:
    assert [command.reads_file for command in commands_of("a < x; b 0<x; c 3<x; d")] == [
        True,
        True,
        False,
        False,
    ]


@given(st.lists(st.text(st.characters(exclude_categories=["Cs", "Cc"])), min_size=1))
def test_quoted_words_are_what_they_were(words: list[str]) -> None:
    line = " ".join(["printf", *map(shlex.quote, words)])
    assert [filled(word, {}) for word in commands_of(line)[0].words] == ["printf", *words]


PIECES = st.lists(
    st.sampled_from(
        [*"ab=#$ ", "'", '"', "\\", "$A", "${B2}", "${_c}", "$ ", '"$A"', "'$A'", " '", '" ', "\\$"]
    ),
    max_size=14,
).map("".join)
"""Nothing in them runs, opens or ends a command."""


@settings(max_examples=400, deadline=None)
@given(PIECES)
def test_a_real_shell_makes_the_same_words(line: str) -> None:
    try:
        [command] = commands_of(f"printf '<%s>' x {line}")
    except CannotError:
        return
    # What a variable holds is one word where it stands in quotes or is not empty.
    values = defaultdict(str, VALUES)
    expected = [filled(word, values) for word in command.words[2:]]
    shell = subprocess.run(
        ["/bin/sh", "-c", f"printf '<%s>' x {line}"],
        env=VALUES,
        capture_output=True,
        text=True,
        check=False,
        timeout=20,
    )
    assert shell.returncode == 0, shell.stderr
    said = "".join(f"<{word}>" for word in expected)
    assert shell.stdout.replace("<>", "") == said.replace("<>", "")


@given(st.text(st.sampled_from("ab '\"\\$`{}()<>|&;#=-%2\n\t"), max_size=30))
def test_any_line_is_read_or_refused(line: str) -> None:
    try:
        found = commands_of(line)
    except CannotError:
        return
    assert all(command.words for command in found)
