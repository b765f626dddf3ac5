"""Every end of an attempt has a meaning, and every backoff its bounds."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from scheduler.entry import Retry
from scheduler.job import Done, RetryLater, Skipped
from scheduler.run import Status
from scheduler.running.outcome import Cancelled, End, Failed, Interrupted, TimedOut, settlement
from scheduler.running.retry import backoff

NOW = datetime(2026, 1, 1, tzinfo=UTC)

ends = st.one_of(
    st.just(Done({"n": 1})),
    st.just(Skipped("nothing")),
    st.builds(RetryLater, st.just("later"), st.timedeltas(timedelta(0), timedelta(days=1))),
    st.builds(Failed, st.just("ValueError"), st.just("no"), st.booleans()),
    st.just(TimedOut("10 min")),
    st.just(Cancelled("enough")),
    st.just(Interrupted()),
)
retries = st.builds(
    Retry,
    attempts=st.integers(1, 20),
    backoff=st.timedeltas(timedelta(0), timedelta(hours=1)),
    max_backoff=st.timedeltas(timedelta(0), timedelta(days=7)),
)


@given(ends, retries, st.integers(1, 20), st.floats(0, 1))
def test_every_end_is_classified(end: End, retry: Retry, attempt: int, dice: float) -> None:
    written = settlement(
        end, attempt=attempt, max_attempts=retry.attempts, retry=retry, now=NOW, dice=dice
    )
    again = written.status == Status.RETRYING
    assert again == (written.next_attempt_at is not None)
    assert again or written.status.is_final
    if again:
        assert attempt < retry.attempts
        assert written.next_attempt_at is not None
        assert written.next_attempt_at >= NOW
    if isinstance(end, Failed) and end.permanent:
        assert written.status == Status.FAILED
    if isinstance(end, Done | Skipped):
        assert written.error_type is None
    else:
        assert written.error_message


@given(retries, st.integers(1, 10_000), st.floats(0, 1))
def test_backoff_stays_within_its_bounds(retry: Retry, attempt: int, dice: float) -> None:
    wait = backoff(retry, attempt, dice)
    assert timedelta(0) <= wait <= retry.max_backoff
    if retry.backoff <= retry.max_backoff and attempt == 1:
        # A microsecond is what a timedelta can lose in arithmetic.
        assert wait >= retry.backoff / 2 - timedelta(microseconds=1)


def test_backoff_doubles() -> None:
    retry = Retry(backoff=timedelta(seconds=30), max_backoff=timedelta(minutes=10))
    waits = [backoff(retry, attempt, 0.0).total_seconds() for attempt in range(1, 8)]
    assert waits == [30, 60, 120, 240, 480, 600, 600]
