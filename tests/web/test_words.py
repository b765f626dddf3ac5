"""Do times, durations, numbers and names read as people say them?"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scheduler.web.words import duration, exact, number, percent, plural, relative, sentence, words

NOW = datetime(2026, 3, 10, 12, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    ("seconds", "told"),
    [
        (0, "now"),
        (0.9, "now"),
        (1, "1 s"),
        (59, "59 s"),
        (60, "1 min"),
        (7199, "119 min"),
        (7200, "2 h"),
        (172_799, "47 h"),
        (172_800, "2 days"),
        (60 * 86_400 - 1, "59 days"),
        (60 * 86_400, "2 months"),
        (729 * 86_400, "24 months"),
        (730 * 86_400, "2 years"),
    ],
)
def test_how_long_ago(seconds: float, told: str) -> None:
    before, after = NOW - timedelta(seconds=seconds), NOW + timedelta(seconds=seconds)
    assert relative(before, NOW) == ("now" if told == "now" else f"{told} ago")
    assert relative(after, NOW) == ("now" if told == "now" else f"in {told}")


def test_an_exact_time_is_in_utc_whatever_its_zone() -> None:
    moment = datetime(2026, 3, 10, 1, 30, 5, tzinfo=timezone(timedelta(hours=2)))
    assert exact(moment) == "2026-03-09 23:30:05 UTC"


@pytest.mark.parametrize(
    ("length", "told"),
    [
        (None, "–"),
        (0, "0 ms"),
        (0.0004, "0 ms"),
        (0.432, "432 ms"),
        (0.9996, "1 s"),
        (1, "1 s"),
        (1.34, "1.3 s"),
        (59.94, "59.9 s"),
        (59.96, "1 min"),
        (60, "1 min"),
        (61, "1 min 1 s"),
        (3600, "1 h"),
        (3661, "1 h 1 min"),
        (86_400, "1 day"),
        (2 * 86_400 + 3 * 3600, "2 days 3 h"),
        (timedelta(minutes=10), "10 min"),
        (-1.5, "-1.5 s"),
    ],
)
def test_how_long(length: float | timedelta | None, told: str) -> None:
    assert duration(length) == told


def test_a_sentence_begins_and_ends_as_one() -> None:
    assert sentence("it is away") == "It is away."
    assert sentence("Wait!") == "Wait!"


@given(st.floats(min_value=0, max_value=1e9))
def test_no_length_is_sixty_of_anything(seconds: float) -> None:
    told = duration(seconds)
    assert "60 s" not in told
    assert "60 min" not in told
    assert "1000 ms" not in told


@pytest.mark.parametrize(
    ("value", "told"),
    [
        (None, "–"),
        (0, "0"),
        (1234567, "1,234,567"),
        (2.0, "2"),
        (0.5, "0.5"),
        (1234.567, "1,234.57"),
        (-3, "-3"),
    ],
)
def test_numbers(value: float | None, told: str) -> None:
    assert number(value) == told


def test_shares_and_counts() -> None:
    assert [percent(part) for part in (None, 0, 0.1234, 1)] == ["–", "0 %", "12.3 %", "100 %"]
    assert [plural(n, "run") for n in (0, 1, 2000)] == ["0 runs", "1 run", "2,000 runs"]
    assert plural(2, "entry", "entries") == "2 entries"


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("timed_out", "timed out"),
        ("webhooksDeleted", "webhooks deleted"),
        ("from_", "from"),
        ("a-b c", "a b c"),
        ("sha256Sum", "sha256 sum"),
        ("", ""),
    ],
)
def test_names_of_code_as_words(name: str, told: str) -> None:
    assert words(name) == told


@pytest.mark.parametrize(
    ("value", "digits", "text"),
    [
        (40.4, 0, "40"),
        (99.6, 0, "100"),
        (50.0, 0, "50"),
        (0.2, 0, "0"),
        (1234.5, 2, "1,234.5"),
        (10.004, 2, "10"),
        (0.1 + 0.2, 2, "0.3"),
        (None, 2, "–"),
    ],
)
def test_a_number_keeps_its_zeros(value: float | None, digits: int, text: str) -> None:
    assert number(value, digits) == text


def test_a_share_keeps_its_zeros() -> None:
    assert [percent(0.296, 0), percent(0.8, 0), percent(1), percent(None)] == [
        *("30 %", "80 %", "100 %", "–"),
    ]
