"""Commits, authors, lines, hot spots and the bus factor, counted by hand."""

from __future__ import annotations

from itertools import combinations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agents.github.facts import Actor, Commit, History, Pull
from agents.github.measures.code import (
    HotSpot,
    Lines,
    authors,
    bus_factor,
    changes_of,
    commits_by_author,
    commits_of,
    hot_spots,
    lines,
)
from tests.agents.github.made import BOT, HOURS, JUST, WEEK, at, commit, pull


def test_commits_count_from_the_first_instant_until_just_before_the_last() -> None:
    history = History(commits=(commit(-JUST), commit(0), commit(HOURS - JUST), commit(HOURS)))
    assert [one.committed_at for one in commits_of(history, WEEK)] == [at(0), at(HOURS - JUST)]
    assert [one.committed_at for one in commits_of(history, WEEK.before)] == [at(-JUST)]


def test_a_commit_counts_when_it_was_committed_not_when_it_was_written() -> None:
    history = History(commits=(commit(3, authored_at=at(-500)), commit(-3, authored_at=at(5))))
    assert [one.committed_at for one in commits_of(history, WEEK)] == [at(3)]


@pytest.mark.parametrize(
    ("actor", "is_bot"),
    [
        (Actor("ada"), False),
        (Actor(None), False),
        (Actor(None, of_type_bot=True), True),
        (Actor("robot", of_type_bot=True), True),
        (Actor("renovate[bot]"), True),
        (Actor("Renovate[BOT]"), True),
        (Actor("Codecov-IO"), True),
        (Actor("bottom"), False),
        (Actor("[bot]-hunter"), False),
    ],
)
def test_who_is_a_bot(actor: Actor, is_bot: bool) -> None:
    assert actor.is_bot is is_bot
    history = History(commits=(commit(1, actor),))
    assert len(commits_of(history, WEEK)) == (not is_bot)
    assert len(commits_of(history, WEEK, bots=True)) == is_bot


def test_authors_are_people_whatever_the_case_of_their_login() -> None:
    commits = [commit(1, "Ada"), commit(2, "ada"), commit(3, "ben"), commit(4, None)]
    assert authors(commits) == {"ada", "ben"}
    assert commits_by_author(commits) == {"ada": 2, "ben": 1}


def counted(*commits: Commit, pulls: tuple[Pull, ...] = (), branch: str | None = "main") -> Lines:
    return lines(changes_of(History(commits=commits, pulls=pulls, default_branch=branch), WEEK))


def test_lines_of_commits_alone() -> None:
    assert counted() == Lines(0, 0, partial=False)
    known = commit(1, additions=5, deletions=2), commit(2, additions=0, deletions=1)
    assert counted(*known) == Lines(5, 3, partial=False)
    assert counted(*known, commit(3)) == Lines(5, 3, partial=True)
    assert counted(*known, commit(-3), commit(3, BOT)) == Lines(5, 3, partial=False)


def test_a_merged_pull_request_counts_once_for_all_its_commits() -> None:
    merged = pull(1, merged_at=9, base="main", additions=30, deletions=4, number=7)
    commits = (
        commit(2, pull=7),
        commit(3, pull=7),
        commit(9, pull=7, additions=30, deletions=4),  # the merge itself
    )
    assert counted(*commits, pulls=(merged,)) == Lines(30, 4, partial=False)


def test_a_pull_request_counts_when_it_was_merged() -> None:
    early = pull(-50, merged_at=-JUST, base="main", additions=1, deletions=1, number=1)
    first = pull(-50, merged_at=0, base="main", additions=10, deletions=0, number=2)
    late = pull(5, merged_at=HOURS, base="main", additions=100, deletions=0, number=3)
    commits = (commit(4, pull=3), commit(-4, pull=2))
    assert counted(*commits, pulls=(early, first, late)) == Lines(10, 0, partial=False)


def test_a_pull_request_into_another_branch_is_not_in_the_default_branch_yet() -> None:
    stacked = pull(1, merged_at=9, base="feature", additions=30, deletions=4, number=7)
    assert counted(pulls=(stacked,)) == Lines(0, 0, partial=False)
    assert counted(pulls=(stacked,), branch=None) == Lines(30, 4, partial=False)
    assert counted(commit(9, pull=7, additions=2, deletions=1), pulls=(stacked,)).added == 2


def test_a_pull_request_without_lines_has_those_of_its_commits_if_all_are_known() -> None:
    merged = pull(1, merged_at=9, base="main", number=7)
    one, two = commit(2, pull=7, additions=3, deletions=1), commit(3, pull=7)
    assert counted(one, pulls=(merged,)) == Lines(3, 1, partial=False)
    assert counted(one, two, pulls=(merged,)) == Lines(0, 0, partial=True)
    assert counted(pulls=(merged,)) == Lines(0, 0, partial=True)


def test_a_commit_of_a_pull_request_that_is_not_known_counts_by_itself() -> None:
    assert counted(commit(2, pull=99, additions=3, deletions=1)) == Lines(3, 1, partial=False)


def test_hot_spots_are_files_that_more_than_one_change_touched() -> None:
    history = History(
        commits=(
            commit(1, "ada", files=("a.py", "b.py")),
            commit(2, "ben", files=("a.py", "a.py")),
            commit(3, "ada", files=("c.py", "a.py")),
            commit(4, "ada", pull=7, files=("b.py",)),
            commit(5, "ada", pull=7, files=("b.py",)),
            commit(6, BOT, files=("a.py",)),
        ),
        pulls=(pull(1, merged_at=9, number=7),),
    )
    spots = [HotSpot("a.py", 3, 2), HotSpot("b.py", 2, 1)]
    assert hot_spots(changes_of(history, WEEK), 10) == (spots, False)
    assert hot_spots(changes_of(history, WEEK), 1) == (spots[:1], False)


def test_hot_spots_say_where_files_are_not_known() -> None:
    history = History(commits=(commit(1, files=()), commit(2)))
    assert hot_spots(changes_of(history, WEEK), 10) == ([], True)
    assert hot_spots(changes_of(History(commits=(commit(1, files=()),)), WEEK), 10) == ([], False)


CHAOSS = dict(enumerate((1000, 202, 90, 33, 332, 343, 42, 433)))


@pytest.mark.parametrize(
    ("contributions", "people"),
    [
        ({str(n): number for n, number in CHAOSS.items()}, 2),
        ({}, None),
        ({"ada": 1}, 1),
        ({"ada": 1, "ben": 1}, 1),  # half is enough
        ({"ada": 50, "ben": 49, "chloe": 2}, 2),  # 50 of 101 is not half
        ({"ada": 3, "ben": 3, "chloe": 3}, 2),
    ],
)
def test_bus_factor(contributions: dict[str, int], people: int | None) -> None:
    assert bus_factor(contributions) == people


@given(st.lists(st.integers(0, 60), max_size=9))
def test_bus_factor_is_what_trying_every_group_finds(numbers: list[int]) -> None:
    total = sum(numbers)
    sizes = [
        size
        for size in range(1, len(numbers) + 1)
        if any(sum(group) * 2 >= total for group in combinations(numbers, size))
    ]
    expected = min(sizes) if total else None
    assert bus_factor({str(n): number for n, number in enumerate(numbers)}) == expected
