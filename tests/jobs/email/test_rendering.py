"""Do templates say what their authors mean, and can nobody do more with them than that?"""

from __future__ import annotations

from time import monotonic

import pytest

from jobs.email.plain_text import MOST, plain_text
from jobs.email.rendering import MOST_FIELD, Renderer, TemplateError

NAMES = {"first_name": "Ann", "sequence": "Welcome", "empty": None, "n": 3}


def html(source: str, **variables: object) -> str:
    return Renderer().render(source, {**NAMES, **variables}, html=True)


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("", ""),
        ("no variables, 100 %\n", "no variables, 100 %\n"),
        ("Hello {{ first_name }}", "Hello Ann"),
        ("Hello {{ last_name }}{{ empty }}!", "Hello !"),
        ("Hello {{ last_name or 'friend' }}", "Hello friend"),
        ("Hello {{ empty | default('friend', true) | upper }}", "Hello FRIEND"),
        ("{% if first_name %}yes{% elif n %}no{% else %}no{% endif %}", "yes"),
        ("{{ 'a' if n == 3 else 'b' }}{% if n in [1, 3] and not empty %}c{% endif %}", "ac"),
        ("{% for i in range(3) %}{{ i }}{% if not loop.last %},{% endif %}{% endfor %}", "0,1,2"),
        ("{% raw %}{{ as it is }}{% endraw %}{# unseen #}", "{{ as it is }}"),
        ("<%= first_name %> and <%=sequence%>", "Ann and Welcome"),
        ("{{ last_name | length }}{{ n is odd }}", "0True"),
    ],
)
def test_what_templates_can_say(source: str, expected: str) -> None:
    assert html(source) == expected


def test_variables_are_escaped_in_html_only() -> None:
    name = "<b>\"Ann\" & 'Bob'</b>"
    assert html("{{ x }}<%= x %>", x=name) == (
        "&lt;b&gt;&#34;Ann&#34; &amp; &#39;Bob&#39;&lt;/b&gt;" * 2
    )
    assert Renderer().render("{{ x }}", {"x": name}, html=False) == name


def test_a_variable_is_never_a_template() -> None:
    assert html("{{ x }}", x="{{ 7 * 7 }}<%= y %>") == "{{ 7 * 7 }}&lt;%= y %&gt;"


def test_long_variables_are_cut() -> None:
    out = html("{{ x }}", x="a" * 1_000_000)
    assert (len(out), out[-2:]) == (MOST_FIELD, "a…")
    assert html("{{ x }}", x="a" * MOST_FIELD) == "a" * MOST_FIELD
    # Only single values are variables.
    assert html("{{ x }}{{ y }}", x=["a"] * 9, y={"z": 1}) == ""


def test_unknown_variables_are_told() -> None:
    renderer = Renderer()
    renderer.render("{{ first_nmae }}{% if x %}{% endif %}{{ n }}", NAMES, html=True)
    assert renderer.unknown == {"first_nmae", "x"}


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("{{ ''.__class__ }}", r"variables are single values, without .__class__ \(line 1\)"),
        ("\n{{ first_name.upper() }}", r"\(line 2\)"),
        ("{{ ''['__class__'] }}", "Getitem is not allowed"),
        ("{{ x|attr('__class__') }}", "there is no filter 'attr'"),
        ("{{ lipsum(5) }}", "nothing can be called but range"),
        ("{{ cycler('a').next() }}", "single values|called"),
        ("{{ self._TemplateReference__context }}", "single values"),
        ("{{ loop.__class__ }}", "single values"),
        ("{% include 'x' %}", "Include is not allowed"),
        ("{% import 'x' as x %}", "Import is not allowed"),
        ("{% extends 'x' %}", "Extends is not allowed"),
        ("{% macro m() %}{% endmacro %}", "Macro is not allowed"),
        ("{% set a = 'x' %}", "Assign is not allowed"),
        ("{% with a = 'x' %}{% endwith %}", "With is not allowed"),
        ("{% filter upper %}a{% endfilter %}", "FilterBlock is not allowed"),
        ("{% block b %}{% endblock %}", "Block is not allowed"),
        ("{{ 'a' * 1000000000 }}", "Mul is not allowed"),
        ("{{ 9 ** 9 ** 9 }}", "Pow is not allowed"),
        ("{{ 'a' ~ first_name }}", "Concat is not allowed"),
        ("{{ '%999999999d'|format(1) }}", "there is no filter 'format'"),
        ("{{ 'a'|center(999999999) }}", "there is no filter 'center'"),
        ("{{ first_name|safe }}", "there is no filter 'safe'"),
        ("{% for a in [[1], [2]] %}{% endfor %}", "a list can only stand"),
        ("{{ [1, 2] }}", "a list can only stand"),
        ("{{ n is sameas 3 }}", "there is no test 'sameas'"),
        ("{% for a in range(3) recursive %}{{ loop(a) }}{% endfor %}", "not recursive|called"),
        ("{% for i in range(99999999) %}{% endfor %}", "Range too big"),
        ("{% for i in n %}{% endfor %}", "not iterable"),
        ("{% if x %}", "line 1"),
        ("{{ x", "line 1"),
        ("{{ n | round(99999, 'x') }}", "ceil"),
        ("\n{{ 1e400|int }}", r"a number is too large; 1e308 is the largest \(line 2\)"),
        ("{{ -1e400 }}", "a number is too large"),
        ("{% if n < '1e400'|float %}a{% endif %}", "comes to a number that is too large"),
        ("{{ '1e400'|float|int }}", "comes to a number that is too large"),
        ("{% for i in range(100) %}" * 30 + "{% endfor %}" * 30, "nested|turns"),
        ("{{ " + "(" * 5000 + "1" + ")" * 5000 + " }}", "nested too deeply"),
        ("{{ " + " and ".join("n" * 9000) + " }}", "nested too deeply"),
        ("x" * 300_000, "longer than 262,144"),
        ("<% if (x) { %>a<% } %>", r"of EJS only <%= name %> is understood, not '<% if"),
        ("a\n<%- name %>", r"not '<%- name %>' \(line 2\)"),
        ("<%= user.name %>", "of EJS only"),
    ],
)
def test_what_templates_cannot_do(source: str, message: str) -> None:
    begun = monotonic()
    with pytest.raises(TemplateError, match=message):
        html(source)
    assert monotonic() - begun < 30  # not for ever; how fast is no test's affair


@pytest.mark.parametrize(
    ("source", "message"),
    [
        (
            "{% for a in range(9999) %}{% for b in range(9999) %}{% endfor %}{% endfor %}",
            "more than 10,000 turns",
        ),
        ("{% for a in range(9999) %}" + "x" * 1000 + "{% endfor %}", "longer than 524,288"),
        (
            "".join("{% for a in x %}" for _ in range(10)) + "{% endfor %}" * 10,
            "more than 10,000 turns",
        ),
    ],
)
def test_bombs_do_not_go_off(source: str, message: str) -> None:
    with pytest.raises(TemplateError, match=message):
        html(source, x="a" * 1000)


def test_a_template_is_compiled_once() -> None:
    renderer = Renderer()
    for n in range(200):
        renderer.render(f"{{{{ n }}}}{n % 70}", NAMES, html=True)
    assert len(renderer._compiled) == 64
    first = next(iter(renderer._compiled.values()))
    assert renderer._compile(next(iter(renderer._compiled))[0], html=True) is first


def test_html_reads_as_text() -> None:
    assert (
        plain_text(
            """<html><head><title>no</title><style>p { x }</style></head><body>
            <h1>Hello&nbsp;Ann</h1><p>One <b>bold</b>
            line &amp; <a href="https://example.com/?a=1&amp;b=2">a link</a>.<br>Second</p>
            <ul><li>one</li><li>two <a href="mailto:x@example.com">write</a></ul>
            <table><tr><td>a</td><td>b</td></tr><tr><td>c</td></tr></table>
            <script>alert(1)</script><img src="x" alt="A picture"> <a href="javascript:x">no</a>
            <a href="https://example.com"><img src="y"></a></body></html>"""
        )
        == """Hello Ann

One bold line & a link (https://example.com/?a=1&b=2).
Second

- one
- two write (x@example.com)

a b
c

A picture no https://example.com
"""
    )


@pytest.mark.parametrize(
    ("html", "text"),
    [
        *(("", ""), ("a < b > c", "a < b > c"), ("a<!--b", "a"), ("a<style>b</p>", "a")),
        *(("</a></p>a", "a"), ("a<a", "a<a"), ("<a href=x", "<a href=x"), ("&lt;b&gt;", "<b>")),
        ("a<script>if (b<c) d('<a>')</script >e", "ae"),
        ("<a title='>' href=https://example.com>a</a>", "a (https://example.com)"),
    ],
)
def test_broken_html_is_read_as_far_as_it_goes(html: str, text: str) -> None:
    assert plain_text(html) == text + "\n"


@pytest.mark.parametrize(
    "piece", ["<!--", "<a ", "<a href='", "<!", "</", "<![CDATA[", "&", "<style>", "<a><p>", "<?"]
)
def test_hostile_html_ends(piece: str) -> None:
    """The standard library's parser takes minutes for some of these."""
    assert len(plain_text(piece * (MOST // len(piece)))) < 2 * MOST
