"""The section `alerts` of a schedule file, and the addresses of dead man's switches in it."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from scheduler.alerting import AlertPolicy, Kind, Silence
from scheduler.entry import Schedule
from scheduler.job import Params
from scheduler.timing.reload import difference
from scheduler.timing.schedule import ScheduleError, read_schedule

WHOLE = """
timezone: Europe/Berlin
jobs:
  sync/one: {cron: "0 0 * * *", job: work}
alerts:
  kinds: {missed: off, recovered: true}
  repeated_failures: 5
  overdue_grace: 1h
  database_grace: 10s
  group_for: 0s
  most_per_hour: 3
  remind_every: 7d
  silences:
    - {job: sync/*, until: 2027-01-31, reason: the provider is being replaced}
    - {kinds: [failed, overdue], until: "2027-01-31T08:00"}
    - {job: sync/one, kinds: missed}
"""
BERLIN = ZoneInfo("Europe/Berlin")


class Nothing(Params):
    pass


def read(text: str, *ping_hosts: str) -> Schedule:
    return read_schedule(text, "config.yaml", {"work": Nothing}, ping_hosts)


def problems(text: str, *ping_hosts: str) -> list[str]:
    with pytest.raises(ScheduleError) as refused:
        read(text, *ping_hosts)
    return [str(problem) for problem in refused.value.problems]


def test_a_whole_section() -> None:
    assert read(WHOLE).alerts == AlertPolicy(
        off=frozenset({Kind.MISSED}),
        repeated_failures=5,
        overdue_grace=timedelta(hours=1),
        database_grace=timedelta(seconds=10),
        group_for=timedelta(0),
        most_per_hour=3,
        remind_every=timedelta(days=7),
        silences=(
            Silence(job="sync/*", until=datetime(2027, 2, 1, tzinfo=BERLIN)),
            Silence(
                kinds=frozenset({Kind.FAILED, Kind.OVERDUE}),
                until=datetime(2027, 1, 31, 8, tzinfo=BERLIN),
            ),
            Silence(job="sync/one", kinds=frozenset({Kind.MISSED})),
        ),
    )


@pytest.mark.parametrize("text", ["jobs: {}", "jobs: {}\nalerts:", "jobs: {}\nalerts: {}"])
def test_what_is_not_given_has_the_defaults(text: str) -> None:
    assert read(text).alerts == AlertPolicy()


def test_reminders_can_be_turned_off() -> None:
    assert read("jobs: {}\nalerts: {remind_every: null}").alerts.remind_every is None


@pytest.mark.parametrize(
    ("section", "problem"),
    [
        ("{kind: {}}", "alerts.kind: is not a key here (did you mean 'kinds'?)"),
        ("{kinds: {late: off}}", "alerts.kinds.late: is not a key here"),
        ("{kinds: {missed: never}}", "alerts.kinds.missed: 'never' is not true or false"),
        ("{repeated_failures: 1}", "alerts.repeated_failures: '1' is not a whole number from 2"),
        ("{group_for: 2h}", "alerts.group_for: 2h is too long; allowed are 0s to 1h"),
        ("{remind_every: 1h}", "alerts.remind_every: 1h is too short; allowed are 24h to 30d"),
        ("{most_per_hour: 0}", "alerts.most_per_hour: '0' is not a whole number from 1"),
        ("{silences: one}", "alerts.silences: must be a list"),
        ("{silences: [{reason: why}]}", "alerts.silences.0: silences everything"),
        ("{silences: [{job: one}]}", "alerts.silences.0.job: 'one' fits no entry of this file"),
        ("{silences: [{job: 'a b'}]}", "alerts.silences.0.job: 'a b' is no name or pattern"),
        ("{silences: [{kinds: [late]}]}", "alerts.silences.0.kinds: 'late' is unknown"),
        ("{silences: [{kinds: []}]}", "alerts.silences.0.kinds: is empty"),
        (
            "{silences: [{kinds: missed, until: soon}]}",
            "alerts.silences.0.until: 'soon' is no day or time",
        ),
        (
            "{silences: [{kinds: missed, until: 9999-12-31}]}",
            "alerts.silences.0.until: '9999-12-31' is no day or time",
        ),
    ],
)
def test_what_is_wrong_is_named_with_its_line(section: str, problem: str) -> None:
    [found] = problems(f"jobs: {{}}\nalerts: {section}")
    assert found.startswith(f"config.yaml:2: {problem}"), found


def test_a_silence_holds_for_what_it_names_until_its_time() -> None:
    now = datetime(2026, 3, 10, tzinfo=UTC)
    one = Silence(job="sync/*", kinds=frozenset({Kind.FAILED}), until=now + timedelta(hours=1))
    policy = AlertPolicy(silences=(one,))
    assert not policy.tells(Kind.FAILED, "sync/one", now)
    assert policy.tells(Kind.FAILED, "sync/one", now + timedelta(hours=1))
    assert policy.tells(Kind.MISSED, "sync/one", now)
    assert policy.tells(Kind.FAILED, "cleanup", now)
    assert policy.tells(Kind.FAILED, None, now), "of no job"
    assert not AlertPolicy(off=frozenset({Kind.FAILED})).tells(Kind.FAILED, "cleanup", now)


PINGED = """
ping: https://hc-ping.com/daemon
jobs:
  one: {{cron: "0 0 * * *", job: work, ping: {}}}
"""


def test_addresses_of_switches_are_read_and_kept_from_sight() -> None:
    found = read(
        PINGED.format("http://checks.internal:8000/ping/x?create=1"), "checks.internal:8000"
    )
    ping = found.entries["one"].ping
    assert ping is not None
    assert ping.get_secret_value() == "http://checks.internal:8000/ping/x?create=1"
    assert found.ping is not None
    assert "hc-ping" not in repr(found)
    assert "checks.internal" not in repr(found)
    assert read(PINGED.format("null")).entries["one"].ping is None


@pytest.mark.parametrize(
    ("address", "why"),
    [
        (
            "http://secret.example/uuid",
            "must begin with https://, as its host is not in PING_HOSTS",
        ),
        ("ftp://secret.example/uuid", "must begin with https:// or http://"),
        ("https://10.0.0.1/secret", "must name a host, not an IP address"),
        ("https://2130706433/secret", "must name a host, not an IP address"),
        ("https://me:secret@example.com/", "may hold no user name or password"),
        ("https://example.com/secret#x", "may hold no #"),
        ("https://example.com/secret x", "may hold printable ASCII characters only"),
        ("secret", "must begin with https:// or http://"),
    ],
)
def test_an_address_that_may_not_be_called_is_refused_without_repeating_it(
    address: str, why: str
) -> None:
    [found] = problems(PINGED.format(f"'{address}'"))
    assert found.startswith(f"config.yaml:4: jobs.one.ping: {why}"), found
    assert "secret" not in found


def test_a_listed_name_stands_for_its_usual_ports_only() -> None:
    text = PINGED.format("http://checks.internal:8000/x")
    assert "PING_HOSTS" in problems(text, "checks.internal")[0]
    assert read(text.replace(":8000", ""), "checks.internal").entries["one"].ping


def test_a_reload_says_of_an_address_only_that_it_changed() -> None:
    old = read(PINGED.format("https://hc-ping.com/old"))
    new = read(PINGED.format("https://hc-ping.com/new"))
    none = read("jobs:\n  one: {cron: '0 0 * * *', job: work}")
    assert difference(old, new).differences == {"one": {"ping": ("set", "another")}}
    assert difference(none, new).differences == {
        "one": {"ping": (None, "set")},
        "(ping)": {"ping": (None, "set")},
    }
    assert difference(new, none).differences["one"] == {"ping": ("set", None)}
    assert difference(new, new).changed == ()


def test_a_reload_says_what_of_the_alerts_changed() -> None:
    old, new = read("jobs: {}"), read("jobs: {}\nalerts: {kinds: {missed: off}, group_for: 5s}")
    assert difference(old, new).differences == {
        "(alerts)": {"kinds.missed": (True, False), "group_for": ("30s", "5s")}
    }
    silenced = replace(new, alerts=replace(new.alerts, silences=(Silence(job="a*"),)))
    assert difference(new, silenced).differences == {
        "(alerts)": {"silences": ([], [{"job": "a*", "kinds": [], "until": None}])}
    }
