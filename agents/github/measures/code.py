"""What came into the default branch, who wrote it, and how much hangs on how few? Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from agents.github.facts import Actor, Commit, History, Period, Pull


@dataclass(frozen=True, slots=True)
class Lines:
    added: int
    deleted: int
    partial: bool
    """Some changes' lines are not known, and not in the sums."""


@dataclass(frozen=True, slots=True)
class HotSpot:
    path: str
    commits: int
    authors: int


@dataclass(frozen=True, slots=True)
class Change:
    """A merged pull request with all its commits, or a commit that came without one."""

    author: Actor
    additions: int | None
    deletions: int | None
    files: tuple[str, ...] | None


def commits_of(history: History, period: Period, *, bots: bool = False) -> list[Commit]:
    """Commits that were committed in the period, by people or by bots.

    CHAOSS, Code Changes Commits. The committer's date is when it came to be as it is in the branch;
    the author's may be long before. Merge commits are commits.
    """
    return [
        commit
        for commit in history.commits
        if commit.committed_at in period and commit.author.is_bot == bots
    ]


def authors(commits: Iterable[Commit]) -> set[str]:
    """Who wrote them, by login. CHAOSS, Contributors, of the kind code.

    Commits whose author has no account on GitHub count as commits, and name nobody.
    """
    return {key for commit in commits if (key := commit.author.key) is not None}


def changes_of(history: History, period: Period, *, bots: bool = False) -> list[Change]:
    """Merged pull requests and the commits beside them, in the period, each once.

    A pull request's own numbers count for all its commits, at the time of its merge, so that a
    merge commit, or a commit that was squashed, is not counted with what it brought. Only merges
    into the default branch count: what went into another one comes with that one's merge.
    """
    merged = {
        pull.number: pull
        for pull in history.pulls
        if pull.merged_at is not None
        and (history.default_branch is None or pull.base in (None, history.default_branch))
    }
    commits: dict[int, list[Commit]] = {}
    alone: list[Change] = []
    for commit in history.commits:
        if commit.pull in merged:
            commits.setdefault(commit.pull, []).append(commit)
        elif commit.committed_at in period and commit.author.is_bot == bots:
            alone.append(Change(commit.author, commit.additions, commit.deletions, commit.files))
    return alone + [
        _merged(pull, commits.get(pull.number, []))
        for pull in merged.values()
        if pull.merged_at in period and pull.author.is_bot == bots
    ]


def _merged(pull: Pull, commits: list[Commit]) -> Change:
    """A pull request's own numbers, or else those of its commits where all are known."""
    added, deleted, files = pull.additions, pull.deletions, pull.files
    if (added is None or deleted is None) and commits:
        added = _sum(commit.additions for commit in commits)
        deleted = _sum(commit.deletions for commit in commits)
    if files is None and commits and all(commit.files is not None for commit in commits):
        files = tuple(path for commit in commits for path in commit.files or ())
    return Change(pull.author, added, deleted, files)


def _sum(numbers: Iterable[int | None]) -> int | None:
    total = 0
    for number in numbers:
        if number is None:
            return None
        total += number
    return total


def lines(changes: Iterable[Change]) -> Lines:
    """Lines added and deleted. CHAOSS, Code Changes Lines."""
    added = deleted = 0
    partial = False
    for change in changes:
        if change.additions is None or change.deletions is None:
            partial = True
        else:
            added += change.additions
            deleted += change.deletions
    return Lines(added, deleted, partial)


def hot_spots(changes: Iterable[Change], most: int) -> tuple[list[HotSpot], bool]:
    """The files that most commits changed, those of one pull request as one; and if it is partial.

    Files that change all the time are where faults are found (Nagappan and Ball, "Use of relative
    code churn measures to predict system defect density"). One change is no hot spot.
    """
    counts: Counter[str] = Counter()
    people: dict[str, set[str | None]] = {}
    partial = False
    for change in changes:
        if change.files is None:
            partial = True
            continue
        for path in set(change.files):
            counts[path] += 1
            people.setdefault(path, set()).add(change.author.key)
    ordered = sorted(counts.items(), key=lambda spot: (-spot[1], spot[0]))
    hot = [HotSpot(path, commits, len(people[path])) for path, commits in ordered if commits > 1]
    return hot[:most], partial


def bus_factor(contributions: Mapping[str, int]) -> int | None:
    """The smallest number of people who make half of all contributions; None where there are none.

    CHAOSS, Contributor Absence Factor (formerly Bus Factor): ordered from the most, added up until
    50 % of the total is reached. 1000, 202, 90, 33, 332, 343, 42, 433 give 2.
    """
    total = sum(contributions.values())
    if total == 0:
        return None
    reached = 0
    for people, number in enumerate(sorted(contributions.values(), reverse=True), 1):
        reached += number
        if 2 * reached >= total:
            return people
    raise AssertionError("all contributions together are at least half of them")


def commits_by_author(commits: Iterable[Commit]) -> Counter[str]:
    return Counter(key for commit in commits if (key := commit.author.key) is not None)
