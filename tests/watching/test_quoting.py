"""What leaves the house holds no secret, and nothing that comes alive in a mail or a chat."""

from __future__ import annotations

import pytest

from scheduler.watching.quoting import last_bytes, quoted, redacted


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("postgresql://app:hunter2@db/x is away", "postgresql://***@db/x is away"),
        ("password=hunter2, port=5432", "password=***, port=5432"),
        ('{"api_key": "hunter2", "rows": 3}', '{"api_key": ***, "rows": 3}'),
        ("Authorization: Bearer abc.def.ghi", "Authorization: ***"),
        ("ann.b+c@example.com bounced", "…@example.com bounced"),
        ("tokens: 500, days=3", "tokens: 500, days=3"),
        ("the database lacks app_users", "the database lacks app_users"),
    ],
)
def test_secrets_are_hidden_and_the_rest_stays(text: str, shown: str) -> None:
    assert redacted(text) == shown


def test_nothing_comes_alive() -> None:
    shown = quoted(
        "<b>x</b> [a](https://a.b) @everyone <!channel> `rm` &lt; \u202eabc\u200b\nnext\x1b[1m",
        500,
    )
    assert not set("<>[]`&\n\x1b\u202e\u200b") & set(shown)
    assert "://" not in shown
    assert "@everyone" not in shown
    assert "next" in shown


def test_long_texts_are_cut_and_short_ones_are_not() -> None:
    assert quoted("a" * 100_000, 300) == "a" * 299 + "…"
    assert quoted("a" * 300, 300) == "a" * 300
    assert last_bytes("äb" * 10, 4).decode() == "bäb"


@pytest.mark.parametrize(
    "text",
    ["a@" * 50_000, "password=" * 20_000, "://" * 30_000, "eyJ" * 30_000, "-----BEGIN A" * 9_000],
)
@pytest.mark.timeout(10)
def test_hostile_texts_take_no_time(text: str) -> None:
    assert len(quoted(text, 500)) <= 500
