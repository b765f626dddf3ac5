"""Does a reload say what it changes, from what to what?"""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from zoneinfo import ZoneInfo

from scheduler.entry import Entry, Overlap, Retry, Schedule
from scheduler.job import Params
from scheduler.policy import AgentCaps, AgentPolicy, AgentSettings, AutoPublish, Price
from scheduler.timing.reload import difference


class Numbers(Params):
    days: int = 30
    names: tuple[str, ...] = ()


def entry(name: str = "one", **values: object) -> Entry:
    made = Entry(name=name, job="job", cron="0 0 * * *", params=Numbers())
    return replace(made, **values)  # type: ignore[arg-type]


def schedule(*entries: Entry, **values: object) -> Schedule:
    made = Schedule({each.name: each for each in entries})
    return replace(made, **values)  # type: ignore[arg-type]


def test_the_same_file_changes_nothing_wherever_its_lines_stand() -> None:
    result = difference(schedule(entry(line=3)), schedule(entry(line=9)))
    assert (result.changed, result.added, result.removed) == ((), (), ())
    assert result.as_json() == {"changed": [], "added": [], "removed": [], "differences": {}}


def test_each_key_that_differs_is_told_as_the_file_has_it() -> None:
    after = entry(
        cron="30 1 * * *",
        timezone=ZoneInfo("Europe/Berlin"),
        enabled=False,
        timeout=timedelta(minutes=90),
        retry=Retry(attempts=5),
        overlap=Overlap.QUEUE,
        params=Numbers(days=7, names=("a",)),
    )
    result = difference(schedule(entry()), schedule(after))
    assert result.changed == ("one",)
    assert result.differences == {
        "one": {
            "cron": ("0 0 * * *", "30 1 * * *"),
            "timezone": ("UTC", "Europe/Berlin"),
            "enabled": (True, False),
            "timeout": ("10m", "1h30m"),
            "retry.attempts": (3, 5),
            "overlap": ("skip", "queue"),
            "params.days": (30, 7),
            "params.names": ([], ["a"]),
        }
    }


def test_entries_that_come_and_go_say_when_they_fire() -> None:
    result = difference(schedule(entry("old")), schedule(entry("new", cron="5 5 * * *")))
    assert (result.added, result.removed) == (("new",), ("old",))
    assert result.as_json()["differences"] == {
        "new": {"cron": [None, "5 5 * * *"], "timezone": [None, "UTC"]},
        "old": {"cron": ["0 0 * * *", None], "timezone": ["UTC", None]},
    }


def test_what_stands_above_the_jobs_counts_too() -> None:
    before = schedule(agents=AgentPolicy(prices={"small": Price(input=1, output=2)}))
    after = schedule(
        max_concurrent_runs=9,
        timezone=ZoneInfo("Asia/Tokyo"),
        agents=AgentPolicy(
            defaults=AgentSettings(max_per_run=7),
            caps=AgentCaps(daily_cost_cap_usd=1),
            auto_publish=AutoPublish(kinds=frozenset({"b", "a"})),
            prices={},
        ),
    )
    assert difference(before, after).differences == {
        "(max_concurrent_runs)": {"value": (5, 9)},
        "(timezone)": {"value": ("UTC", "Asia/Tokyo")},
        "(agents.defaults)": {"max_per_run": (3, 7)},
        "(agents.caps)": {"daily_cost_cap_usd": (5, 1)},
        "(agents.auto_publish)": {"kinds": ([], ["a", "b"])},
        "(agents.prices)": {"small.input": (1, None), "small.output": (2, None)},
    }


def test_sets_are_compared_as_sets() -> None:
    letters = [chr(97 + n) for n in range(26)]
    before = AgentPolicy(auto_publish=AutoPublish(kinds=frozenset(letters)))
    after = AgentPolicy(auto_publish=AutoPublish(kinds=frozenset(reversed(letters))))
    assert difference(schedule(agents=before), schedule(agents=after)).changed == ()
