"""How long do people wait: for an answer, a review, a merge, a resolution? Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime

from agents.github.facts import Actor, History, Issue, Item, Period, Pull
from agents.github.measures.summary import Summary, summarize

Said = Mapping[int, Sequence[tuple[datetime, Actor]]]
"""Who said something about an issue or pull request, and when; in the order of time."""


def said_by_people(history: History, *, reviews_only: bool = False) -> Said:
    """Comments and reviews by people, by number."""
    said: dict[int, list[tuple[datetime, Actor]]] = {}
    for review in history.reviews:
        if not review.author.is_bot:
            said.setdefault(review.pull, []).append((review.submitted_at, review.author))
    for comment in () if reviews_only else history.comments:
        if not comment.author.is_bot:
            said.setdefault(comment.number, []).append((comment.created_at, comment.author))
    for answers in said.values():
        answers.sort(key=lambda answer: answer[0])
    return said


def first_answer(item: Item, since: datetime, before: datetime, said: Said) -> datetime | None:
    """When somebody other than its author first said something, from `since` until `before`."""
    for at, actor in said.get(item.number, ()):
        if since <= at < before and actor.is_other_than(item.author):
            return at
    return None


def first_response(items: Iterable[Item], said: Said, period: Period) -> Summary:
    """From opening to the first comment or review by somebody who is neither author nor bot.

    CHAOSS, Time to First Response, of what people opened in the period. What nobody has answered
    by its end is unknown. Closing without a word is no response.
    """
    return summarize(
        None if answer is None else answer - item.created_at
        for item in items
        if item.created_at in period and not item.author.is_bot
        for answer in [first_answer(item, item.created_at, period.end, said)]
    )


def review_latency(pulls: Iterable[Pull], reviews: Said, period: Period) -> Summary:
    """From ready for review to the first review by somebody who is neither author nor bot.

    The wait of CHAOSS, Time to First Response, for reviews alone, of what people's pull requests
    became ready in the period. A review of a draft is a favour, not what the author waits for.
    """
    return summarize(
        None if answer is None else answer - ready
        for pull in pulls
        if (ready := pull.ready_since) is not None and ready in period and not pull.author.is_bot
        for answer in [first_answer(pull, ready, period.end, reviews)]
    )


def time_to_merge(pulls: Iterable[Pull], period: Period) -> Summary:
    """From ready for review to the merge, of people's pull requests merged in the period.

    CHAOSS, Change Requests Duration, which begins at the opening: here the time as a draft, in
    which nobody is asked to merge, is left out.
    """
    return summarize(
        pull.merged_at - pull.ready_since
        for pull in pulls
        if pull.merged_at is not None
        and pull.merged_at in period
        and pull.ready_since is not None
        and not pull.author.is_bot
    )


def resolution(issues: Iterable[Issue], period: Period) -> Summary:
    """From opening to closing, of people's issues that were closed in the period.

    CHAOSS, Issue Resolution Duration, by closing time: by opening time, the slow ones of the last
    weeks would be missing. The last closing counts, whatever the reason.
    """
    return summarize(
        issue.closed_at - issue.created_at
        for issue in issues
        if issue.closed_at is not None and issue.closed_at in period and not issue.author.is_bot
    )


def open_age(items: Iterable[Item], moment: datetime) -> Summary:
    """How old what people opened and is still open is at that moment. CHAOSS, Issue Age."""
    return summarize(
        moment - item.created_at
        for item in items
        if item.is_open_at(moment) and not item.author.is_bot
    )
