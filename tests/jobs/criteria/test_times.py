"""Which moment does each way of writing a time mean?"""

from __future__ import annotations

from datetime import UTC, date, datetime
from zoneinfo import ZoneInfo

import pytest

from jobs.criteria.errors import Unfit
from jobs.criteria.times import date_of, moment_of

NOW = datetime(2026, 3, 31, 9, 30, tzinfo=UTC)
BERLIN = ZoneInfo("Europe/Berlin")


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("NOW() - INTERVAL 7 DAY", "2026-03-24T09:30:00Z"),
        ("now() - interval '7 days'", "2026-03-24T09:30:00Z"),
        ("NOW() - INTERVAL '7' DAY", "2026-03-24T09:30:00Z"),
        ("Now()-interval '1 week'", "2026-03-24T09:30:00Z"),
        ("-7d", "2026-03-24T09:30:00Z"),
        (" -1w ", "2026-03-24T09:30:00Z"),
        ("+3d", "2026-04-03T09:30:00Z"),
        ("NOW() + INTERVAL 3 DAY", "2026-04-03T09:30:00Z"),
        ("now()", "2026-03-31T09:30:00Z"),
        ("-90m", "2026-03-31T08:00:00Z"),
        ("-36h", "2026-03-29T21:30:00Z"),
        ("-30s", "2026-03-31T09:29:30Z"),
        ("NOW() - INTERVAL 1 MONTH", "2026-02-28T09:30:00Z"),
        ("-13mo", "2025-02-28T09:30:00Z"),
        ("+1mo", "2026-04-30T09:30:00Z"),
        ("-2y", "2024-03-31T09:30:00Z"),
        ("2026-01-31T09:00:00+02:00", "2026-01-31T07:00:00Z"),
        ("2026-01-31 09:00", "2026-01-31T09:00:00Z"),
        ("2026-01-31", "2026-01-31T00:00:00Z"),
    ],
)
def test_moments(text: str, moment: str) -> None:
    assert moment_of(text, NOW) == datetime.fromisoformat(moment)


def test_days_are_those_of_the_zone_and_hours_pass() -> None:
    # The night of 29 March has no hour from two to three in Berlin.
    now = datetime(2026, 3, 29, 12, 0, tzinfo=BERLIN)
    assert moment_of("-1d", now) == datetime(2026, 3, 28, 11, 0, tzinfo=UTC)
    assert moment_of("-24h", now) == datetime(2026, 3, 28, 10, 0, tzinfo=UTC)
    assert moment_of("2026-03-29", now) == datetime(2026, 3, 28, 23, 0, tzinfo=UTC)
    assert date_of("-24h", datetime(2026, 3, 29, 0, 30, tzinfo=BERLIN)) == date(2026, 3, 28)
    assert date_of("now()", datetime(2026, 3, 29, 0, 30, tzinfo=BERLIN)) == date(2026, 3, 29)


@pytest.mark.parametrize(
    "text",
    [
        *("", "7d", "-7", "-d", "- 7d", "-7 d", "-7x", "-1234567d", "-9999y", "+9999y"),
        *(
            "NOW()-7",
            "NOW() - INTERVAL DAY",
            "now() - interval '7 days",
            "now() - interval 7 days'",
        ),
        *("now() - interval '7 days' ; select 1", "now() - interval '1 day 2 hours'", "today"),
        *("-\N{ARABIC-INDIC DIGIT SEVEN}d", "now() - interval '7 parsecs'", "x" * 10_000),
        *("2026-13-01", "10000-01-01", "0001-01-01T00:00+23:00", "-999999d"),
    ],
)
def test_what_means_no_moment(text: str) -> None:
    with pytest.raises(Unfit):
        moment_of(text, NOW)
