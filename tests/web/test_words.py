"""Do numbers read as what they are?"""

from __future__ import annotations

import pytest

from scheduler.web.words import number, percent


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
