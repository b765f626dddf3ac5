"""Broken case files, each with the place where it is broken."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest

import agents
from agents.evaluation.loading import MOST_BYTES, CasesError, load_cases
from agents.kit.registry import find_agents

AGENTS = find_agents(agents)
GOOD = """\
agent: developer
repository: acme/lanterns
now: 2026-03-02T06:00:00Z
why: Passwords reach the log, and nobody has said so.
items:
  - source: pull
    key: 41
    title: Log requests
    hours_ago: 1800
    facts: {files: [src/log.py]}
  - source: commit
    key: "5e0"
    title: Begin
    hours_ago: 30
    seen: true
expect: {kind: pr_review, about: ["pull:41"]}
"""


def write(folder: Path, text: str | bytes, name: str = "case.yaml") -> None:
    path = folder / name
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(text if isinstance(text, bytes) else text.encode())


def test_a_good_file(tmp_path: Path) -> None:
    write(tmp_path, GOOD, "developer/logging.yaml")
    [case] = load_cases(tmp_path, AGENTS)
    assert case.name == "developer/logging"
    pull, commit = case.items
    assert (pull.ref, pull.at) == ("pull:41", case.file.now - timedelta(hours=1800))
    assert pull.url == "https://github.com/acme/lanterns/pull/41"
    assert pull.facts["changedFiles"] == 1
    assert (pull.facts["openedDaysAgo"], pull.facts["stale"]) == (75, True)
    assert (commit.ref, commit.facts["daysAgo"]) == ("commit:5e0", 1)
    assert set(case.seen) == {"commit:5e0"}


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        (
            "agent: developer",
            "agent: dveloper",
            "agent: there is no 'dveloper'; there are designer",
        ),
        ("agent: developer\n", "", "agent: Field required"),
        ("source: pull", "source: release", "items.0.source: developer does not read release"),
        ("source: pull", "source: pulls", "items.0.source: Input should be 'pull'"),
        ("key: 41", "key: 4.1", "items.0.key: Input should be a valid string"),
        ("hours_ago: 30", "hours_ago: -1", "items.1.hours_ago: Input should be greater"),
        ("files:", "flies:", "items.0.facts.flies: Extra inputs are not permitted"),
        ("[src/log.py]", "src/log.py", "items.0.facts.files: Input should be a valid list"),
        ('about: ["pull:41"]', 'about: ["pull:4"]', "expect.about: there is no item pull:4"),
        ("kind: pr_review", "kind: blog_post", "expect.kind: developer makes no blog_post"),
        ("kind: pr_review", "knd: pr_review", "expect.knd: Extra inputs are not permitted"),
        ("expect: {", "expect: quiet #{", "expect: Input should be 'silence'"),
        ("now: 2026-03-02T06:00:00Z", "now: 2026-03-02", "now: Input should"),
        ("now: 2026-03-02T06:00:00Z", "now: 2026-13-02T06:00:00Z", "month must be in 1..12"),
        ("seen: true", "seen: true\n    sen: 1", "items.1.sen: Extra inputs"),
        ("why: Pass", "why: a\nwhy: Pass", ":5: the key 'why' is there twice"),
        ("title: Begin", "title: &a Begin\n    text: *a", "aliases are not allowed"),
        ("title: Begin", "title: [", "expected"),
        ("title: Begin", "title: !!python/name:os.system x", "could not determine a constructor"),
        ("title: Begin", "? [a]\n    : b", ":13: a key has to be a word"),
    ],
)
def test_what_is_wrong_is_said_by_file_and_key(
    tmp_path: Path, old: str, new: str, said: str
) -> None:
    assert old in GOOD
    write(tmp_path, GOOD.replace(old, new, 1))
    with pytest.raises(CasesError) as raised:
        load_cases(tmp_path, AGENTS)
    assert str(tmp_path / "case.yaml") in str(raised.value)
    assert said in str(raised.value)


def test_the_same_item_twice(tmp_path: Path) -> None:
    twice = GOOD.replace("source: commit", "source: pull").replace('"5e0"', "41")
    write(tmp_path, twice)
    with pytest.raises(CasesError, match=r"items\.1\.key: pull:41 is there twice"):
        load_cases(tmp_path, AGENTS)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "the file: Input should be a valid dictionary"),
        (b"- 1\n", "the file: Input should be a valid dictionary"),
        (b"why: \xff\xfe\n", "is not UTF-8"),
        (b"[" * 5_000, "is nested too deeply"),
        (b"a: " + b"x" * MOST_BYTES, "is larger than 256 KiB"),
        (b"why: \x07\n", "special characters are not allowed"),
    ],
)
def test_files_that_are_no_cases(tmp_path: Path, content: bytes, said: str) -> None:
    write(tmp_path, content)
    with pytest.raises(CasesError, match=said):
        load_cases(tmp_path, AGENTS)


def test_every_broken_file_is_named(tmp_path: Path) -> None:
    write(tmp_path, GOOD, "good.yaml")
    write(tmp_path, GOOD.replace("title: Begin\n", "title: ''\n"), "one.yaml")
    write(tmp_path, GOOD.replace("agent: developer", "agent: nobody"), "two.yml")
    with pytest.raises(CasesError) as raised:
        load_cases(tmp_path, AGENTS)
    lines = str(raised.value).splitlines()
    assert [line.partition(": ")[0] for line in lines] == [
        str(tmp_path / "one.yaml"),
        str(tmp_path / "two.yml"),
    ]


def test_a_folder_without_cases(tmp_path: Path) -> None:
    with pytest.raises(CasesError, match="there are no cases"):
        load_cases(tmp_path, AGENTS)
