"""The measures once more, in the plainest way: nothing is shared with what is under test.

Rows are dicts, times are whole minutes, `None` is unknown. Slow.
"""

from __future__ import annotations

import statistics
from datetime import UTC, datetime, timedelta
from itertools import combinations
from typing import Any

Row = dict[str, Any]
ZERO = datetime(2026, 1, 5, tzinfo=UTC)
MACHINES = ("r2[bot]", "codecov-io")


def is_machine(row: Row) -> bool:
    return bool(row["bot"]) or (row["who"] or "").lower() in MACHINES


def same_person(a: str | None, b: str | None) -> bool:
    return (a.lower() if a else a) == (b.lower() if b else b)


def durations(minutes: list[int], unknown: int | None, name: str | None) -> Row:
    hours = [value / 60 for value in minutes]
    answer: Row = {"count": len(hours), "meanHours": None, "medianHours": None, "p90Hours": None}
    if hours:
        answer["meanHours"] = statistics.fmean(hours)
        answer["medianHours"] = statistics.median(hours)
        alone = len(hours) == 1
        deciles = hours * 9 if alone else statistics.quantiles(hours, n=10, method="inclusive")
        answer["p90Hours"] = deciles[8]
    if name is not None:
        answer[name] = unknown
    return answer


def responses(items: list[Row], said: list[Row], start: int, end: int, since: str) -> Row:
    waited, unknown = [], 0
    for item in items:
        begin = item[since]
        if is_machine(item) or begin is None or not start <= begin < end:
            continue
        answers = [
            one["at"] - begin
            for one in said
            if one["number"] == item["number"]
            and begin <= one["at"] < end
            and not is_machine(one)
            and not same_person(one["who"], item["who"])
        ]
        if answers:
            waited.append(min(answers))
        else:
            unknown += 1
    return durations(waited, unknown, "unreviewed" if since == "ready" else "unanswered")


def open_at(item: Row, moment: int) -> bool:
    return bool(
        item["at"] < moment and not (item["closed"] is not None and item["closed"] < moment)
    )


def flow(items: list[Row], start: int, end: int, machines: bool) -> Row:
    def within(value: int | None) -> bool:
        return value is not None and start <= value < end

    mine = [item for item in items if is_machine(item) == machines]
    ended = [item for item in mine if within(item["closed"])]
    ever_open = [item for item in mine if item in ended or open_at(item, end)]
    return {
        "opened": len([item for item in mine if within(item["at"])]),
        "ended": len(ended),
        "merged": len([item for item in mine if within(item.get("merged"))]),
        "declined": len([item for item in ended if item.get("merged") is None]),
        "open": len([item for item in mine if open_at(item, end)]),
        "ratio": len(ended) / len(ever_open) if ever_open else None,
        "not_planned": len([i for i in ended if i.get("reason") in ("not_planned", "duplicate")]),
    }


def bus_factor(counts: list[int]) -> int | None:
    for size in range(1, len(counts) + 1):
        for group in combinations(counts, size):
            if sum(group) >= sum(counts) / 2:
                return size
    return None


def changes(world: Row, start: int, end: int) -> list[Row]:
    """What was merged or committed alone in the period: who, lines or None, files or None."""
    merged = {p["number"]: p for p in world["pulls"] if p["merged"] is not None and p["main"]}
    found = [
        commit
        for commit in world["commits"]
        if commit["pull"] not in merged and start <= commit["at"] < end
    ]
    for pull in merged.values():
        if not start <= pull["merged"] < end:
            continue
        own = [c for c in world["commits"] if c["pull"] == pull["number"]]
        lines, files = pull["lines"], pull["files"]
        if lines is None and own and all(c["lines"] is not None for c in own):
            lines = (sum(c["lines"][0] for c in own), sum(c["lines"][1] for c in own))
        if files is None and own and all(c["files"] is not None for c in own):
            files = [path for c in own for path in c["files"]]
        found.append({**pull, "lines": lines, "files": files})
    return [change for change in found if not is_machine(change)]


def hot(found: list[Row]) -> list[Row]:
    paths = {path for change in found for path in change["files"] or ()}
    spots = []
    for path in paths:
        touched = [change for change in found if path in (change["files"] or ())]
        if len(touched) > 1:
            people = {(change["who"] or "").lower() for change in touched}
            spots.append({"path": path, "commits": len(touched), "authors": len(people)})
    return sorted(spots, key=lambda spot: (-spot["commits"], spot["path"]))


def numbers(world: Row, start: int, end: int) -> Row:
    people = [c for c in world["commits"] if start <= c["at"] < end and not is_machine(c)]
    names = [c["who"].lower() for c in people if c["who"]]
    found = changes(world, start, end)
    known = [change["lines"] for change in found if change["lines"] is not None]
    said = world["comments"] + world["reviews"]
    pulls, issues = world["pulls"], world["issues"]
    of_pulls, of_issues = flow(pulls, start, end, False), flow(issues, start, end, False)
    their_pulls, their_issues = flow(pulls, start, end, True), flow(issues, start, end, True)
    their_commits = [c for c in world["commits"] if start <= c["at"] < end and is_machine(c)]

    def ages(items: list[Row]) -> Row:
        mine = [item for item in items if not is_machine(item) and open_at(item, end)]
        return durations([end - item["at"] for item in mine], None, None)

    merged = [
        p["merged"] - p["ready"]
        for p in pulls
        if p["merged"] is not None and start <= p["merged"] < end and not is_machine(p)
    ]
    resolved = [
        i["closed"] - i["at"]
        for i in issues
        if i["closed"] is not None and start <= i["closed"] < end and not is_machine(i)
    ]
    before_end = [r for r in world["releases"] if r["at"] < end]
    final = [r for r in before_end if not r["pre"]]
    return {
        "commits": len(people),
        "authors": len(set(names)),
        "commitsOfUnknownAuthors": len(people) - len(names),
        "busFactor": bus_factor([names.count(name) for name in set(names)]),
        "lines": {
            "added": sum(lines[0] for lines in known),
            "deleted": sum(lines[1] for lines in known),
            "partial": len(known) < len(found),
        },
        "pullRequests": {
            "opened": of_pulls["opened"],
            "merged": of_pulls["merged"],
            "closed": of_pulls["declined"],
            "open": of_pulls["open"],
            "closureRatio": of_pulls["ratio"],
            "firstResponse": responses(pulls, said, start, end, "at"),
            "reviewLatency": responses(pulls, world["reviews"], start, end, "ready"),
            "timeToMerge": durations(merged, None, None),
            "openAge": ages(pulls),
        },
        "issues": {
            "opened": of_issues["opened"],
            "closed": of_issues["ended"],
            "notPlanned": of_issues["not_planned"],
            "open": of_issues["open"],
            "closureRatio": of_issues["ratio"],
            "firstResponse": responses(issues, said, start, end, "at"),
            "resolution": durations(resolved, None, None),
            "openAge": ages(issues),
        },
        "releases": {
            "published": len([r for r in final if r["at"] >= start]),
            "prereleases": len([r for r in before_end if r["pre"] and r["at"] >= start]),
            "perWeek": len([r for r in final if r["at"] >= start]) / ((end - start) / 10080),
            "lastPublishedAt": iso(max(r["at"] for r in final)) if final else None,
            "tags": [
                r["tag"] for r in sorted(before_end, key=lambda r: -r["at"]) if r["at"] >= start
            ],
        },
        "bots": {
            "commits": len(their_commits),
            "authors": len({c["who"].lower() for c in their_commits if c["who"]}),
            "pullRequests": {
                "opened": their_pulls["opened"],
                "merged": their_pulls["merged"],
                "closed": their_pulls["declined"],
                "open": their_pulls["open"],
            },
            "issues": {
                "opened": their_issues["opened"],
                "closed": their_issues["ended"],
                "open": their_issues["open"],
            },
            "comments": len([s for s in said if start <= s["at"] < end and is_machine(s)]),
        },
    }


def iso(minutes: int) -> str:
    return (ZERO + timedelta(minutes=minutes)).isoformat()


def hours_of_day(world: Row, start: int, end: int) -> list[int]:
    counts = [0] * 24
    moments = [
        row["at"]
        for kind in ("issues", "pulls", "comments", "reviews", "commits")
        for row in world[kind]
        if start <= row["at"] < end and not is_machine(row)
    ]
    for moment in moments:
        counts[moment // 60 % 24] += 1
    return counts


def stale(world: Row, end: int, minutes: int) -> list[int]:
    """Numbers of what nobody touched, the longest first."""
    found = []
    for item in world["issues"] + world["pulls"]:
        last = item["touched"]
        if last > end:
            said = [
                one["at"]
                for one in world["comments"] + world["reviews"]
                if one["number"] == item["number"] and not is_machine(one) and one["at"] <= end
            ]
            last = max([item["at"], *said])
        if not is_machine(item) and open_at(item, end) and end - last >= minutes:
            found.append((last, item["number"]))
    return [number for _, number in sorted(found)]
