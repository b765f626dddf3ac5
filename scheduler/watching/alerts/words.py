"""How are notices said to people? Short, plain, the job first. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

from scheduler.alerting import AlertPolicy, Kind
from scheduler.incident import Message, Notice
from scheduler.watching.quoting import quoted, shortened

MOST_TITLE = 150
MOST_BODY = 1_700
"""Characters: the shortest of the great chats takes 2,000 with the title."""
MOST_WORDS = 300
"""Characters of an error."""
HOUR = timedelta(hours=1)


def due(
    waiting: Sequence[Notice], sent: Sequence[datetime], policy: AlertPolicy, now: datetime
) -> bool:
    """Whether what waits becomes a message now. `sent`: when the last messages were made."""
    if not waiting or now - min(one.at for one in waiting) < policy.group_for:
        return False
    return sum(now - at < HOUR for at in sent) < policy.most_per_hour


def message(waiting: Sequence[Notice], site: str, public_url: str | None) -> Message:
    """All that waits, in one message; `site` tells this installation from others."""
    headlines = [headline(one) for one in waiting]
    if len(waiting) == 1:
        title = headlines[0]
    else:
        subjects = list(dict.fromkeys(quoted(one.subject, 100) for one in waiting))
        others = f" and {len(subjects) - 1} more" if len(subjects) > 1 else ""
        title = f"{subjects[0]}{others}: {len(waiting)} alerts"
    foot = f"\n\nlamplighter at {public_url or site}"
    blocks: list[str] = []
    room = MOST_BODY - len(foot) - 100
    for place, one in enumerate(waiting):
        block = _block(one, headlines[place], public_url)
        room -= len(block) + 2
        if room < 0 and blocks:
            rest = list(dict.fromkeys(quoted(each.subject, 100) for each in waiting[place:]))
            left = f"and {len(waiting) - place} more: {', '.join(rest)}"
            blocks.append(shortened(left, 100))
            break
        blocks.append(block)
    return Message(
        title=shortened(title, MOST_TITLE),
        body="\n\n".join(blocks) + foot,
        is_good=all(one.kind is Kind.RECOVERED for one in waiting),
    )


def headline(one: Notice) -> str:
    return f"{quoted(one.subject, 100)}: {_what(one)}"


def _what(one: Notice) -> str:
    late = duration(one.at - one.since)
    still = "still " if one.again else ""
    match one.kind:
        case Kind.FAILED | Kind.REPEATED | Kind.ABANDONED:
            if one.again:
                return f"still failing, {one.count} runs in a row"
            what = "abandoned" if one.kind is Kind.ABANDONED else "failed"
            return what if one.count == 1 else f"{what}, {one.count} runs in a row"
        case Kind.OVERDUE:
            return f"{still}overdue by {late}"
        case Kind.MISSED:
            return f"missed {one.count} fire{'s' if one.count > 1 else ''}"
        case Kind.CONDITION:
            return f"{still}{quoted(one.words, MOST_TITLE)}" if one.words else f"{still}stands"
        case Kind.SCHEDULE:
            return f"{still}rejected, the schedule before stays in force"
        case Kind.CHANNEL:
            return f"{still}takes no alerts"
        case Kind.DATABASE:
            return f"away for {late}"
        case Kind.RECOVERED:
            return _recovered(one)


def _recovered(one: Notice) -> str:
    after = duration(one.at - one.since)
    match one.was:
        case Kind.CONDITION:
            return f"over after {after}"
        case Kind.SCHEDULE:
            return "accepted again"
        case Kind.CHANNEL:
            return "takes alerts again"
        case Kind.DATABASE:
            return f"back after {after}"
        case _:
            runs = f", {one.count} failed" if one.count > 1 else ""
            return f"recovered after {after}{runs}"


def _block(one: Notice, head: str, public_url: str | None) -> str:
    lines = [head]
    if one.kind is not Kind.RECOVERED:
        lines.append(f"since {one.since:%Y-%m-%d %H:%M %Z}")
    if one.words and one.kind is not Kind.CONDITION:
        lines.append(quoted(one.words, MOST_WORDS))
    if public_url and one.run_id is not None:
        lines.append(f"{public_url}/runs/{one.run_id}")
    elif public_url and one.job is not None:
        lines.append(f"{public_url}/jobs/{one.job}")
    return "\n".join(lines)


def duration(value: timedelta) -> str:
    seconds = max(int(value.total_seconds()), 0)
    if seconds < 120:
        return f"{seconds} s"
    minutes = seconds // 60
    if minutes < 120:
        return f"{minutes} min"
    hours = minutes // 60
    return f"{hours} h" if hours < 48 else f"{hours // 24} days"


TEST = Message(
    title="lamplighter: a test",
    body="Alerts would come here. Nothing is wrong.",
    is_good=True,
)
