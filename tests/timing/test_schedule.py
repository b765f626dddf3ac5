"""A schedule is read whole or refused whole, with every problem by its line."""

from __future__ import annotations

import random
from datetime import timedelta
from pathlib import Path
from typing import Literal
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import Field, model_validator

from scheduler.entry import CatchUp, Entry, Overlap, Retry, Schedule
from scheduler.job import Params
from scheduler.timing.document import MAX_BYTES, MAX_DEPTH, MAX_PROBLEMS
from scheduler.timing.schedule import Problem, ScheduleError, load_schedule, read_schedule


class Cleanup(Params):
    events_days: int = Field(default=90, ge=1, le=3650)
    policy: Literal["keep", "delete"] = "keep"
    share: float = 0.5
    label: str = ""
    dry: bool = False
    only: tuple[int, ...] = ()

    @model_validator(mode="after")
    def _together(self) -> Cleanup:
        if self.dry and self.policy == "delete":
            raise ValueError("dry and policy: delete exclude each other")
        return self


class Named(Params):
    name: str


class Nothing(Params):
    pass


JOBS: dict[str, type[Params]] = {
    "cleanup": Cleanup,
    "greet": Named,
    "orchestration/batch": Nothing,
    "reset-credits": Nothing,
}

EXAMPLE = """\
# The whole of what a schedule may hold.
timezone: Europe/Berlin
max_concurrent_runs: 7
execution: local
jobs:
  reset-credits:
    cron: "0 0 * * *"
    overlap: queue
  monthly/cleanup-of_2:
    job: cleanup
    cron: 0 6 * * 1
    timezone: UTC
    enabled: no
    timeout: 1h30m
    retry: {attempts: 20, backoff: 1s, max_backoff: 24h}
    overlap: cancel_running
    catch_up: all
    catch_up_window: 7d
    jitter: 90s
    params:
      eventsDays: 30
      policy: "delete"
      share: 0.25
      only: [1, 2]
  orchestration/batch: {cron: "@daily", catch_up: none, params: }
"""


def refused(text: str) -> tuple[Problem, ...]:
    with pytest.raises(ScheduleError) as caught:
        read_schedule(text, "config.yaml", JOBS)
    assert str(caught.value) == "\n".join(str(problem) for problem in caught.value.problems)
    return caught.value.problems


def entry(text: str) -> str:
    """A schedule with one entry, its lines from the third on."""
    return "jobs:\n  cleanup:\n" + "".join(f"    {line}\n" for line in text.splitlines())


def read(text: str) -> Entry:
    return read_schedule(entry(text), "config.yaml", JOBS).entries["cleanup"]


# What is read


def test_a_whole_schedule() -> None:
    schedule = read_schedule(EXAMPLE, "config.yaml", JOBS)
    berlin = ZoneInfo("Europe/Berlin")
    assert (schedule.timezone, schedule.max_concurrent_runs) == (berlin, 7)
    assert list(schedule.entries) == [
        "reset-credits",
        "monthly/cleanup-of_2",
        "orchestration/batch",
    ]
    assert schedule.entries["reset-credits"] == Entry(
        name="reset-credits",
        job="reset-credits",
        cron="0 0 * * *",
        params=Nothing(),
        timezone=berlin,
        overlap=Overlap.QUEUE,
        line=6,
    )
    assert schedule.entries["monthly/cleanup-of_2"] == Entry(
        name="monthly/cleanup-of_2",
        job="cleanup",
        cron="0 6 * * 1",
        params=Cleanup(events_days=30, policy="delete", share=0.25, only=(1, 2)),
        timezone=ZoneInfo("UTC"),
        enabled=False,
        timeout=timedelta(minutes=90),
        retry=Retry(20, timedelta(seconds=1), timedelta(days=1)),
        overlap=Overlap.CANCEL_RUNNING,
        catch_up=CatchUp.ALL,
        catch_up_window=timedelta(days=7),
        jitter=timedelta(seconds=90),
        line=9,
    )
    assert schedule.entries["orchestration/batch"].catch_up is CatchUp.NONE


def test_the_defaults_are_those_of_an_entry() -> None:
    schedule = read_schedule('jobs:\n  cleanup: {cron: "@daily"}\n', "config.yaml", JOBS)
    assert (schedule.max_concurrent_runs, schedule.timezone) == (5, ZoneInfo("UTC"))
    expected = Entry(name="cleanup", job="cleanup", cron="@daily", params=Cleanup(), line=2)
    assert schedule.entries == {"cleanup": expected}


def test_a_schedule_may_be_without_jobs_but_says_so() -> None:
    assert read_schedule("jobs: {}", "config.yaml", JOBS) == Schedule(entries={})
    assert refused("timezone: UTC")[0].message == "is missing; write `jobs: {}` for none"


def test_what_was_read_cannot_be_changed() -> None:
    schedule = read_schedule(EXAMPLE, "config.yaml", JOBS)
    with pytest.raises(TypeError):
        schedule.entries["another"] = schedule.entries["reset-credits"]  # type: ignore[index]


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("1s", 1),
        ("30s", 30),
        ("10m", 600),
        ("24h", 86400),
        ("1d", 86400),
        ("1h30m", 5400),
        ("1h0m5s", 3605),
        ("'90m'", 5400),
    ],
)
def test_durations(text: str, seconds: int) -> None:
    found = read(f"cron: '@daily'\ntimeout: {text}")
    assert found.timeout == timedelta(seconds=seconds)


@pytest.mark.parametrize(
    ("text", "value"),
    [("true", True), ("Yes", True), ("on", True), ("False", False), ("NO", False), ("off", False)],
)
def test_switches_are_those_of_yaml_1_1(text: str, value: bool) -> None:
    assert read(f"cron: '@daily'\nenabled: {text}").enabled is value


@pytest.mark.parametrize(
    ("text", "params"),
    [
        ("{events_days: 3}", Cleanup(events_days=3)),
        ("{eventsDays: 3}", Cleanup(events_days=3)),
        ("{eventsDays: 1_000}", Cleanup(events_days=1000)),
        ("{label: 'yes'}", Cleanup(label="yes")),
        ("{label: '5'}", Cleanup(label="5")),
        ("{label: 2026-01-01}", Cleanup(label="2026-01-01")),
        ("{label: 1:30}", Cleanup(label="1:30")),
        ("{label: 007}", Cleanup(label="007")),
        ("{dry: yes}", Cleanup(dry=True)),
        ("{share: 1}", Cleanup(share=1.0)),
        ("null", Cleanup()),
        ("{}", Cleanup()),
    ],
)
def test_params(text: str, params: Params) -> None:
    assert read(f"cron: '@daily'\nparams: {text}").params == params


# What is refused


def test_five_mistakes_are_all_named_with_their_lines() -> None:
    text = """\
timezone: UTC
jobs:
  reset-credits:
    cron: "0 25 * * *"
    overlp: queue
  cleanup:
    cron: * * * * *
    timeout: 10
    params:
      events_days: 0
"""
    guess = " (did you mean 'overlap'?)"
    keys = "job, cron, timezone, enabled, timeout, retry, overlap, catch_up, catch_up_window"
    keys += ", jitter, ping, params"
    days = "at least 1 and at most 3650"
    assert list(map(str, refused(text))) == [
        "config.yaml:4: jobs.reset-credits.cron: hour: 25 is out of range; allowed are 0-23",
        f"config.yaml:5: jobs.reset-credits.overlp: is not a key here{guess}; allowed are {keys}",
        'config.yaml:7: jobs.cleanup.cron: what begins with * must be in quotes: "* * * * *"',
        "config.yaml:8: jobs.cleanup.timeout: 10 has no unit; write 10s, 10m, 10h or 10d",
        f"config.yaml:10: jobs.cleanup.params.events_days: is out of range; allowed is {days}",
    ]


@pytest.mark.parametrize(
    ("text", "line", "key", "message"),
    [
        # the file
        ("", 1, "", "has no keys; allowed are timezone"),
        ("- a", 1, "", "has no keys"),
        ("\n\nplain", 1, "", "has no keys"),
        (
            "alert: {}\njobs: {}",
            1,
            "alert",
            "is not a key here (did you mean 'alerts'?); allowed are timezone, max",
        ),
        ("jobs: {}\nalerts: late", 2, "alerts", "is 'late'; allowed are keys with values"),
        ("job: {}\njobs: {}", 1, "job", "(did you mean 'jobs'?)"),
        ("jobs: {}\ntimezone: Berlin", 2, "timezone", "(did you mean 'Europe/Berlin'?)"),
        ("jobs: {}\ntimezone: Europe/Berln", 2, "timezone", "(did you mean 'Europe/Berlin'?)"),
        ("jobs: {}\ntimezone: ../etc/passwd", 2, "timezone", "is not a time zone"),
        ("jobs: {}\ntimezone: Europe", 2, "timezone", "is not a time zone"),
        ("jobs: {}\ntimezone:", 2, "timezone", "has no value"),
        ("jobs: {}\ntimezone: [UTC]", 2, "timezone", "is a list or mapping; allowed is one"),
        ("jobs: {}\nmax_concurrent_runs: 0", 2, "max_concurrent_runs", "from 1 to 100"),
        ("jobs: {}\nmax_concurrent_runs: 101", 2, "max_concurrent_runs", "from 1 to 100"),
        ("jobs: {}\nmax_concurrent_runs: '5'", 2, "max_concurrent_runs", "from 1 to 100"),
        ("jobs: {}\nmax_concurrent_runs: 5.0", 2, "max_concurrent_runs", "from 1 to 100"),
        ("jobs: {}\nexecution: queue", 2, "execution", "is not supported; allowed is local"),
        ("jobs: [cleanup]", 1, "jobs", "is a list; allowed are keys with values"),
        ("jobs:", 1, "jobs", "has no value; allowed are keys"),
        # names
        ("jobs:\n  Cleanup: {job: cleanup, cron: '@daily'}", 2, "jobs", "'Cleanup' is not a name"),
        ("jobs:\n  a//b: {job: cleanup, cron: '@daily'}", 2, "jobs", "'a//b' is not a name"),
        ("jobs:\n  /a: {job: cleanup, cron: '@daily'}", 2, "jobs", "'/a' is not a name"),
        ("jobs:\n  ../a: {job: cleanup, cron: '@daily'}", 2, "jobs", "'../a' is not a name"),
        ('jobs:\n  "a\\n": {job: cleanup, cron: "@daily"}', 2, "jobs", "'a\\n' is not a name"),
        (f"jobs:\n  {'a' * 101}: {{job: cleanup, cron: '@daily'}}", 2, "jobs", "is not a name"),
        ("jobs:\n  health: {job: cleanup, cron: '@daily'}", 2, "jobs", "another route's path"),
        ("jobs:\n  runs/x: {job: cleanup, cron: '@daily'}", 2, "jobs", "another route's path"),
        ("jobs:\n  a/pause: {job: cleanup, cron: '@daily'}", 2, "jobs", "another route's path"),
        # the job
        ("jobs:\n  weekly: {cron: '@weekly'}", 2, "jobs.weekly.job", "is missing; there is no job"),
        ("jobs:\n  clean-up: {cron: '@weekly'}", 2, "jobs.clean-up.job", "did you mean 'cleanup'"),
        (entry("cron: '@daily'\njob: nope"), 4, "jobs.cleanup.job", "allowed are cleanup, greet"),
        (entry("cron: '@daily'\njob:"), 4, "jobs.cleanup.job", "has no value"),
        # when
        ("jobs:\n  cleanup: {}", 2, "jobs.cleanup.cron", "is missing; allowed are five fields"),
        ("jobs:\n  cleanup:", 2, "jobs.cleanup", "has no value; allowed are keys"),
        (entry("cron:"), 3, "jobs.cleanup.cron", "has no value: has 0 fields"),
        (entry("cron: 5"), 3, "jobs.cleanup.cron", "has 1 field"),
        (entry("cron: 0 0 30 2 *"), 3, "jobs.cleanup.cron", "never fires"),
        (entry("cron: 0 0 L * *"), 3, "jobs.cleanup.cron", "'L' is not Vixie cron"),
        (entry("cron: >-\n  0 0\n  * * 8"), 3, "jobs.cleanup.cron", "day of week: 8"),
        (entry("cron: '@daily'\ntimezone: Mars"), 4, "jobs.cleanup.timezone", "not a time zone"),
        # how
        (entry("cron: '@daily'\nping: x"), 4, "jobs.cleanup.ping", "must begin with https://"),
        (
            entry("cron: '@daily'\nenabled: maybe"),
            4,
            "jobs.cleanup.enabled",
            "is not true or false",
        ),
        (entry("cron: '@daily'\nenabled: 'yes'"), 4, "jobs.cleanup.enabled", "without quotes"),
        (entry("cron: '@daily'\ntimeout: 10"), 4, "jobs.cleanup.timeout", "10 has no unit"),
        (entry("cron: '@daily'\ntimeout: 1:30"), 4, "jobs.cleanup.timeout", "is not a duration"),
        (entry("cron: '@daily'\ntimeout: 1.5h"), 4, "jobs.cleanup.timeout", "is not a duration"),
        (entry("cron: '@daily'\ntimeout: 5m1h"), 4, "jobs.cleanup.timeout", "is not a duration"),
        (entry("cron: '@daily'\ntimeout: -5m"), 4, "jobs.cleanup.timeout", "is not a duration"),
        (entry("cron: '@daily'\ntimeout: ''"), 4, "jobs.cleanup.timeout", "is not a duration"),
        (
            entry("cron: '@daily'\ntimeout: 0s"),
            4,
            "jobs.cleanup.timeout",
            "too short; allowed are 1s",
        ),
        (entry("cron: '@daily'\ntimeout: 24h1s"), 4, "jobs.cleanup.timeout", "1s to 24h"),
        (entry("cron: '@daily'\ncatch_up_window: 31d"), 4, "jobs.cleanup.catch_up_window", "30d"),
        (
            entry("cron: '@daily'\noverlap: Skip"),
            4,
            "jobs.cleanup.overlap",
            "(did you mean 'skip'?)",
        ),
        (entry("cron: '@daily'\ncatch_up: some"), 4, "jobs.cleanup.catch_up", "none, last, all"),
        (entry("cron: '@daily'\nretry: 3"), 4, "jobs.cleanup.retry", "is '3'; allowed are keys"),
        (
            entry("cron: '@daily'\nretry: {tries: 3}"),
            4,
            "jobs.cleanup.retry.tries",
            "attempts, backoff",
        ),
        (
            entry("cron: '@daily'\nretry: {attempts: 0}"),
            4,
            "jobs.cleanup.retry.attempts",
            "1 to 20",
        ),
        (
            entry("cron: '@daily'\nretry: {attempts: 21}"),
            4,
            "jobs.cleanup.retry.attempts",
            "1 to 20",
        ),
        (
            entry("cron: '@daily'\nretry:\n  backoff: 30m"),
            5,
            "jobs.cleanup.retry.backoff",
            "max_backoff (10m) is shorter than backoff (30m)",
        ),
        (
            entry("cron: '@daily'\nretry:\n  backoff: 2m\n  max_backoff: 1m"),
            6,
            "jobs.cleanup.retry.max_backoff",
            "max_backoff (1m) is shorter than backoff (2m)",
        ),
        (
            entry("cron: '*/5 * * * *'\njitter: 5m"),
            4,
            "jobs.cleanup.jitter",
            "5m is too long for '*/5 * * * *', whose fires can be 5m apart; allowed is less",
        ),
        (entry("jitter: 1h\ncron: 0 0,23 * * *"), 3, "jobs.cleanup.jitter", "can be 1h apart"),
        # params
        (entry("cron: '@daily'\nparams: [1]"), 4, "jobs.cleanup.params", "is a list"),
        (
            entry("cron: '@daily'\nparams:\n  eventDays: 3"),
            5,
            "jobs.cleanup.params.eventDays",
            "is not a parameter of this job (did you mean 'events_days'?); allowed are events_days",
        ),
        (
            entry("cron: '@daily'\nparams:\n  eventsDays: x"),
            5,
            "jobs.cleanup.params.eventsDays",
            "must be a whole number, at least 1 and at most 3650",
        ),
        (
            entry("cron: '@daily'\nparams:\n  events_days: yes"),
            5,
            "jobs.cleanup.params.events_days",
            "must be a number",
        ),
        (
            entry(f"cron: '@daily'\nparams:\n  events_days: {'9' * 5000}"),
            5,
            "jobs.cleanup.params.events_days",
            "must be a whole number",
        ),
        (
            entry("cron: '@daily'\nparams:\n  events_days: 1\n  eventsDays: 2"),
            6,
            "jobs.cleanup.params.eventsDays",
            "is the same as 'events_days'; give one",
        ),
        (
            entry("cron: '@daily'\nparams:\n  policy: drop"),
            5,
            "jobs.cleanup.params.policy",
            "must be one of 'keep', 'delete'",
        ),
        (
            entry("cron: '@daily'\nparams:\n  label: 5"),
            5,
            "jobs.cleanup.params.label",
            "must be text, in quotes",
        ),
        (
            entry("cron: '@daily'\nparams:\n  only:\n    - 1\n    - x"),
            7,
            "jobs.cleanup.params.only.1",
            "must be a whole number",
        ),
        (
            entry("cron: '@daily'\nparams:\n  dry: true\n  policy: delete"),
            4,
            "jobs.cleanup.params",
            "dry and policy: delete exclude each other",
        ),
        ("jobs:\n  greet:\n    cron: '@daily'", 2, "jobs.greet.params.name", "is required"),
        (
            "jobs:\n  reset-credits:\n    cron: '@daily'\n    params: {a: 1}",
            4,
            "jobs.reset-credits.params.a",
            "'a' is not a parameter of this job; it takes none",
        ),
        # YAML
        (
            entry("cron: '@daily'\ncron: '@daily'"),
            4,
            "jobs.cleanup.cron",
            "twice; the first is in line 3",
        ),
        (entry("cron: '@daily'\nparams: &x {}"), 4, "jobs.cleanup.params", "anchors (&x) are not"),
        (entry("cron: '@daily'\njob: *x"), 4, "jobs.cleanup.job", "aliases (*x) are not allowed"),
        (entry("cron: '@daily'\njob: !!str cleanup"), 4, "jobs.cleanup.job", "tags ("),
        (entry("cron: '@daily'\njob: !x cleanup"), 4, "jobs.cleanup.job", "tags ('!x') are not"),
        (entry("cron: '@daily'\n<<: {}"), 4, "jobs.cleanup.<<", "merge keys (<<) are not allowed"),
        ("jobs: {}\n---\njobs: {}", 2, "", "a second document begins here; allowed is one"),
        ("jobs: {}\n? [a]\n: b", 2, "", "a key must be a word"),
        (entry("cron: @daily"), 3, "jobs.cleanup.cron", 'must be in quotes: "@daily"'),
        (entry("cron: */5 1,2 * * *  # x"), 3, "jobs.cleanup.cron", 'in quotes: "*/5 1,2 * * *"'),
        ("jobs:\n\tcleanup: {}", 2, "", "a tab, such as"),
        ("jobs:\n  cleanup: {cron: '@daily'", 2, "", "is not valid YAML"),
        ('jobs: {}\ntimezone: "UTC\n\n\n', 2, "", "unexpected end of stream"),
        ("jobs: {}\na: b: c", 2, "", "quote a value that holds a colon"),
        ("jobs: {}\n\x00", 2, "", "contains the character '\\x00'"),
        ("jobs: {}\n\x1b", 2, "", "contains the character '\\x1b'"),
        ("jobs: {}\n\ud800", 2, "", "contains the character '\\ud800'"),
        ('jobs: {}\ntimezone: "\\0"', 2, "timezone", "contains the character 0"),
        ("jobs: " + "[" * 50, 1, "", f"is nested too deeply; allowed are {MAX_DEPTH} levels"),
        ("#" * (MAX_BYTES + 1), 0, "", f"bytes long; allowed are {MAX_BYTES:,}"),
    ],
)
def test_what_is_refused(text: str, line: int, key: str, message: str) -> None:
    found = [(problem.line, problem.key) for problem in refused(text) if message in problem.message]
    assert found == [(line, key)], refused(text)


def test_a_mistake_makes_no_second_problem() -> None:
    for text in (
        entry("cron: * * * * *\njob: cleanup"),
        entry("cron: &x '@daily'"),
        entry("cron: *x"),
        entry("cron: '@daily'\njob: *x"),
        entry("cron: '@daily'\njob: nope\nparams: {whatever: 1}"),
        entry("cron: bad\njitter: 5m"),
    ):
        assert len(refused(text)) == 1, text


def test_a_mistake_of_syntax_does_not_hide_the_problems_above_it() -> None:
    text = entry("cron: 0 0 * * *\ntimeout: 5\nretry: {attempts: 99}") + "  x: y: z\n"
    assert [problem.line for problem in refused(text)][:3] == [4, 5, 6]


def test_problems_come_in_the_order_of_their_lines_and_not_without_end() -> None:
    assert len(refused("a: 1\n" * 100_000)) == MAX_PROBLEMS
    lines = [problem.line for problem in refused(entry("jitter: 1\nparams: {x: 1}\ntimeout: 1"))]
    assert lines == sorted(lines)


def test_too_many_entries() -> None:
    text = "jobs:\n" + "".join(
        f"  e{number}: {{job: cleanup, cron: '@daily'}}\n" for number in range(10_001)
    )
    problem = Problem("config.yaml", 10_002, "jobs", "has 10,001 entries; allowed are 10,000")
    assert refused(text) == (problem,)
    entries = read_schedule(text.rpartition("  e")[0], "config.yaml", JOBS).entries
    assert len(entries) == 10_000


# Files


def test_a_file_is_read(tmp_path: Path) -> None:
    path = tmp_path / "config.yaml"
    path.write_text("\ufeff" + EXAMPLE, encoding="utf-8")
    assert load_schedule(path, JOBS) == read_schedule(EXAMPLE, str(path), JOBS)
    path.write_bytes(EXAMPLE.replace("\n", "\r\n").encode())
    assert load_schedule(path, JOBS) == read_schedule(EXAMPLE, str(path), JOBS)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, "cannot be read: No such file or directory"),
        (b"jobs: {}\n# \xff", "cannot be read: it is not UTF-8 text"),
        (b"#" * (MAX_BYTES + 1), f"allowed are {MAX_BYTES:,}"),
    ],
)
def test_a_file_that_cannot_be_read(tmp_path: Path, content: bytes | None, message: str) -> None:
    path = tmp_path / "config.yaml"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(ScheduleError) as caught:
        load_schedule(path, JOBS)
    (problem,) = caught.value.problems
    assert message in problem.message
    assert str(problem).startswith(f"{path}: ")


def test_what_is_not_a_file_is_not_read(tmp_path: Path) -> None:
    for path in (tmp_path, Path("/dev/zero")):
        with pytest.raises(ScheduleError, match="cannot be read: it is not a file"):
            load_schedule(path, JOBS)


# Whatever stands in it


def mutated(rng: random.Random, text: str) -> str:
    """The example with a few things changed that people and accidents change."""
    lines = text.splitlines(keepends=True)
    pieces = [
        *"*&!@#%{}[]:,|>'\"-?~<\t\n 0\x00\x85\u2028é",
        "<<: *x",
        "---\n",
        "{" * 30,
        "null",
        "9" * 9,
    ]
    for _ in range(rng.randint(1, 4)):
        row = rng.randrange(len(lines))
        line = lines[row]
        column = rng.randint(0, len(line))
        match rng.randrange(6):
            case 0:
                lines[row] = line[:column] + rng.choice(pieces) + line[column:]
            case 1:
                lines[row] = line[:column] + line[column + rng.randint(1, 5) :]
            case 2:
                lines.insert(rng.randrange(len(lines)), line)
            case 3:
                lines[row] = " " * rng.randint(0, 6) + line.lstrip()
            case 4:
                lines[row] = line[:column] + "".join(rng.sample(pieces, 3)) + "\n"
            case _:
                lines[row] = "\n"
    return "".join(lines)


def judge(text: str) -> bool:
    """Whether it is a schedule; any other end than a schedule or its problems is raised."""
    try:
        schedule = read_schedule(text, "config.yaml", JOBS)
    except ScheduleError as error:
        lines = text.count("\n") + text.count("\x85") + text.count("\u2028") + 2
        if not error.problems or any(not 0 <= p.line <= lines for p in error.problems):
            raise AssertionError(text) from error
        return False
    return all(isinstance(found, Entry) for found in schedule.entries.values())


def test_a_mutated_schedule_is_read_or_refused() -> None:
    rng = random.Random("mutations")
    read_whole = sum(judge(mutated(rng, EXAMPLE)) for _ in range(2_000))
    assert 50 < read_whole < 1_500


@settings(max_examples=500, deadline=None)
@given(
    st.one_of(
        st.text(max_size=80),
        st.text("jobs:cleanup {}[]*&!|>-?#'\"\n\t", max_size=120),
        st.builds(lambda value: entry(f"cron: '@daily'\ntimeout: {value}"), st.text(max_size=20)),
        st.builds(
            lambda value: entry(f"cron: {value}"), st.text("*/, @-0123456789#'\"", max_size=20)
        ),
        st.builds(lambda value: f"jobs: {{}}\ntimezone: {value}", st.text(max_size=20)),
    )
)
def test_any_text_is_a_schedule_or_refused(text: str) -> None:
    assert judge(text) in {True, False}
