from __future__ import annotations

import re
from urllib.parse import urlsplit

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from agents.kit.characters import cleaned
from agents.kit.hostile import for_people
from agents.kit.publishable import LANGUAGES
from tests.agents.kit.payloads import PAYLOADS
from tests.support import shown as github

HOSTS = frozenset({"github.com", "docs.example.com"})
OURS = "owner/name"
TAGS = frozenset(
    """p h1 h2 h3 h4 h5 h6 ul ol li blockquote pre code em strong del a img hr br input
    table thead tbody tr th td""".split()  # noqa: SIM905 - names
)


def check(markdown: str) -> str:
    """Nothing of the published text does anything but be read."""
    text = for_people(markdown, HOSTS, OURS)
    page = github.shown(text)
    assert page.tags <= TAGS, (page.tags - TAGS, text)
    assert page.attributes <= {
        "href",
        "src",
        "alt",
        "class",
        "lang",
        "start",
        "type",
        "disabled",
        "checked",
        "align",
    }, text
    for address in (*page.links, *page.images):
        parts = urlsplit(address)
        assert parts.scheme == "https", (address, text)
        assert parts.netloc in HOSTS, (address, text)
        if found := re.match(r"/([^/]+/[^/]+)/(issues|pull|discussions|commit)\b", parts.path):
            assert parts.netloc != "github.com" or found[1] == OURS, (address, text)
    assert page.comments == []
    assert "<!--" not in text
    assert page.languages <= LANGUAGES
    assert github.MENTION.search(page.text) is None, text
    assert github.CLOSING.search(page.text) is None, text
    assert github.COMMAND.search(page.text) is None, text
    assert re.search(r"^/[a-z]+\s*$", text, re.MULTILINE | re.IGNORECASE) is None
    for found in github.ELSEWHERE.finditer(re.sub(r"https://\S+", "", page.text)):
        assert found[0].rpartition("#")[0].lower() == OURS, text
    assert not [character for character in text if not cleaned(f"\n{character}")[1:]]
    assert len(text) < 60_000
    return text


def test_there_are_sixty() -> None:
    assert len(PAYLOADS) == 60


@pytest.mark.parametrize("name", PAYLOADS)
def test_a_payload_does_nothing(name: str) -> None:
    payload = PAYLOADS[name]
    check(payload)
    check(f"# {payload}\n")
    check(f"> {payload}\n\n- {payload}\n\n| a |\n|---|\n| {payload} |\n")
    check(f"x {payload} y **{payload}** [{payload}](https://github.com/x)")
    check(f"fixes {payload}\n@{payload}")


@pytest.mark.parametrize(
    ("given", "made"),
    [
        ("A plain sentence.", "A plain sentence."),
        ("Two\n\nparagraphs", "Two\n\nparagraphs"),
        ("# One\n\nTwo\n===", "# One\n\n# Two"),
        ("*a* __b__ ~~c~~ `d`", "*a* **b** ~~c~~ `d`"),
        ("- a\n- b\n  - c\n", "- a\n- b\n  - c"),
        ("3. a\n4. b", "3. a\n4. b"),
        ("- [ ] open\n- [x] done", "- [ ] open\n- [x] done"),
        ("> quoted\n> more", "> quoted\n> more"),
        ("```python\nprint('@x')\n```", "```python\nprint('@x')\n```"),
        ("````\n```\n````", "````\n```\n````"),
        ("| a | b |\n|---|---|\n| 1 | 2 |", "| a | b |\n| --- | --- |\n| 1 | 2 |"),
        ("See #12 and owner/name#13.", "See #12 and owner/name#13."),
        (
            "[docs](https://docs.example.com/a?b=c#d)",
            "[docs](https://docs.example.com/a?b=c#d)",
        ),
        (
            "https://github.com/owner/name/pull/3.",
            "<https://github.com/owner/name/pull/3>.",
        ),
        ("![a](https://github.com/a.png)", "![a](https://github.com/a.png)"),
        ("snake_case and C# cost $5 & more", "snake_case and C# cost \\$5 & more"),
        ("@octocat, look", "`@octocat`, look"),
        ("fixes #12", "fixes `#12`"),
        ("[x](https://evil.example/a)", "x (`https://evil.example/a`)"),
        ("<b>bold</b>", "&lt;b>bold&lt;/b>"),
        ("1\\. not a list", "1\\. not a list"),
        ("\\# not a heading", "\\# not a heading"),
        ("", ""),
    ],
)
def test_what_is_harmless_stays_as_it_was(given: str, made: str) -> None:
    assert check(given) == made
    assert for_people(made, HOSTS, OURS) == made


def test_it_is_bounded() -> None:
    many = check("a paragraph of words\n\n" * 5_000)
    assert many.endswith("*The rest was left out.*")
    assert check("<" * 30_000) == "*The rest was left out.*"
    assert len(check("word " * 10_000)) < 25_000


WILD = st.text(
    alphabet=st.one_of(
        st.sampled_from("\\`*_{}[]()<>#+-.!|~&@:/\"'$^= \n\t0123456789abwx"),
        st.sampled_from("\u200b\u202e\u00ad\u2060\ufeff\u0301\U000e0041\x00\x1b\u2028é日"),
    ),
    max_size=80,
)
ATOMS = """fixes closes: #12 @me @org/team www.evil.example https://evil.example/x <!-- --> <b> </b>
    [x](https://evil.example) ![y](//evil.example) ** * _ ` ``` ~~~ > - 1. | | # \\ & &#64; &lt; ](
    [ ] ( ) other/repo#3 /lgtm javascript: [1]: GH-3 duplicate of""".split()  # noqa: SIM905 - pieces
PIECES = st.lists(
    st.one_of(
        st.sampled_from(list(PAYLOADS.values())),
        st.sampled_from(ATOMS),
        st.sampled_from([" ", "\n", "\n\n", "\n    ", "\t", ""]),
        WILD,
    ),
    max_size=14,
).map("".join)


@settings(max_examples=600, deadline=None)
@given(PIECES)
@example("`a``b`@x")
@example("[fixes](https://github.com/x) #12")
@example("wow![x](https://github.com/x)")
@example("**a***b**c*@d_e_")
def test_no_text_gets_anything_through(text: str) -> None:
    check(text)


@settings(max_examples=300, deadline=None)
@given(PIECES)
def test_what_was_made_harmless_once_stays_harmless(text: str) -> None:
    check(for_people(text, HOSTS, OURS))


@settings(max_examples=200, deadline=None)
@given(PIECES)
def test_without_a_repository_no_reference_is_alive(text: str) -> None:
    page = github.shown(for_people(text, frozenset(), None))
    assert page.links == page.images == []
    assert github.ELSEWHERE.search(page.text) is None
