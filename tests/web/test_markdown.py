"""Is Markdown shown as what it says, and never as anything that does something?"""

from __future__ import annotations

import pytest

from scheduler.web.markdown import as_html, safe_address
from tests.web.looking import Seen

REL = 'rel="noopener noreferrer nofollow"'
HOSTS = frozenset({"github.com", "docs.example"})


@pytest.mark.parametrize(
    ("markdown", "html"),
    [
        ("a *b* **c** ~~d~~ `e`", "<em>b</em> <strong>c</strong> <s>d</s> <code>e</code>"),
        ("# Top", "<h3>Top</h3>"),
        ("###### Deep", "<h6>Deep</h6>"),
        ("- one\n- two", "<li>one</li>"),
        ("> said", "<blockquote>"),
        ("```js\na<b\n```", "<pre><code>a&lt;b\n</code></pre>"),
        ("| a | b |\n|:-:|--:|\n| 1 | 2 |", "<td>1</td>\n<td>2</td>"),
        (
            "[there](https://github.com/o/n/issues/1?a=1&b=2)",
            f'<a href="https://github.com/o/n/issues/1?a=1&amp;b=2" {REL}>there</a>',
        ),
        (
            "![a lamp](https://docs.example/lamp.png)",
            f'<a href="https://docs.example/lamp.png" {REL}>[a lamp]</a>',
        ),
        (
            "[![a lamp](https://docs.example/lamp.png)](https://github.com/o/n)",
            f'<a href="https://github.com/o/n" {REL}>[a lamp]</a>',
        ),
    ],
)
def test_what_is_written_is_shown(markdown: str, html: str) -> None:
    assert html in as_html(markdown, HOSTS)


@pytest.mark.parametrize(
    "markdown",
    [
        "<script>alert(1)</script>",
        "<img src=x onerror=alert(1)>",
        "a <b onclick=alert(1)>b</b> <!-- c -->",
        "<style>*{display:none}</style>\n\n<iframe src=//evil.example></iframe>",
        "[a](javascript:alert(1))",
        "[a](JaVaScRiPt:alert(1))",
        "[a](data:text/html;base64,PHNjcmlwdD4=)",
        "[a](//evil.example)",
        "[a](/suggestions/reject)",
        "[a](#top)",
        "[a](http://github.com/o/n)",
        "[a](https://evil.example/github.com)",
        "[a](https://github.com.evil.example/)",
        "[a](https://github.com@evil.example/)",
        "[a](https://user:word@github.com/)",
        "[a](https://github.com:8443/)",
        "[a](https://github.com\\@evil.example/)",
        '[a](https://evil.example "t")',
        "<https://evil.example/>",
        "<javascript:alert(1)>",
        "![a](https://evil.example/x.png)",
        "![a](x.png)",
        "[a][b]\n\n[b]: https://evil.example/",
        '[a](<https://github.com/" onmouseover="alert(1)>)',
        "```<script>\nx\n```",
        '``` " onclick="alert(1)\nx\n```',
        "&lt;script&gt;alert(1)&lt;/script&gt; &#60;img src=x&#62;",
        '| a |\n|:-:|\n| <i style="x"> |',
        "[" * 3000 + "a" + "](x)" * 3000,
        ">" * 500 + " deep",
        "\x00\u202e\ud7ff[a](https://github.com/\u202eo)",
    ],
)
def test_nothing_of_it_does_anything(markdown: str) -> None:
    seen = Seen.of(as_html(markdown, HOSTS))
    assert seen.tags <= {
        *("p", "a", "em", "strong", "s", "code", "pre", "blockquote", "br", "hr", "ul", "ol", "li"),
        *("table", "thead", "tbody", "tr", "th", "td", "h3", "h4", "h5", "h6"),
    }
    assert seen.attributes <= {"href", "rel"}
    assert all(link.startswith("https://github.com/") for link in seen.links)


def test_a_long_text_is_cut() -> None:
    assert len(as_html("a" * 100_000, HOSTS)) < 61_000


@pytest.mark.parametrize(
    ("address", "is_safe"),
    [
        ("https://github.com/o/n", True),
        ("https://GitHub.com/o/n", True),
        ("http://github.com/o/n", False),
        ("https://evil.example/", False),
        ("javascript:alert(1)", False),
        ("https://github.com:1x/", False),
        ("https://[github.com/", False),
        ("https://github.com/\n", False),
        ("", False),
        (None, False),
        (7, False),
    ],
)
def test_an_address_is_a_link_only_where_it_may_be(address: object, is_safe: bool) -> None:
    assert safe_address(address, HOSTS) == (address if is_safe else None)
