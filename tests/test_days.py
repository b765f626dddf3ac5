"""Does a day begin where the calendar of its zone says?"""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from scheduler.days import day_of, day_start

ZONES = ["UTC", "Europe/Berlin", "America/New_York", "Africa/Cairo", "America/Havana",
         "Australia/Lord_Howe", "Pacific/Auckland", "Asia/Kathmandu"]  # fmt: skip


@pytest.mark.parametrize("name", ZONES)
def test_a_day_is_exactly_the_instants_that_show_its_date(name: str) -> None:
    zone = ZoneInfo(name)
    for number in range(370):
        day = date(2026, 1, 1) + timedelta(days=number)
        start = day_start(day, zone)
        assert start.tzinfo is UTC
        assert day_of(start, zone) == day
        assert day_of(start - timedelta(microseconds=1), zone) == day - timedelta(days=1)


def test_a_day_has_23_24_or_25_hours() -> None:
    zone = ZoneInfo("Europe/Berlin")
    hours = {
        day: (day_start(day + timedelta(days=1), zone) - day_start(day, zone)).total_seconds()
        / 3600
        for day in (date(2026, 3, 28), date(2026, 3, 29), date(2026, 10, 25))
    }
    assert list(hours.values()) == [24, 23, 25]


def test_the_day_of_a_moment_is_the_zones() -> None:
    moment = datetime(2026, 1, 31, 23, 30, tzinfo=UTC)
    assert day_of(moment, ZoneInfo("Europe/Berlin")) == date(2026, 2, 1)
    assert day_of(moment, ZoneInfo("America/New_York")) == date(2026, 1, 31)
