"""What does the database tell a scrape: how jobs stand, what waits, what is left to spend?

docs/metrics.md has a row for each metric here.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

from scheduler.db.gauges import COUNTED, Quota
from scheduler.watching.counts import MOST_JOBS, OTHER
from scheduler.watching.exposition import JOB, Family, gauge, gauges
from scheduler.watching.health import JobState, State
from scheduler.watching.metrics import Reading, Snapshot

WAITS = ("due", "again", "later", "held", "left")
OPEN = ("queued", "running", "retrying")
SUGGESTIONS = ("pending", "approved", "publish_failed")
TOKENS = ("read", "write", OTHER)
UP_TO = f"; more than {COUNTED:,} are not counted"


def of_the_database(snapshot: Snapshot) -> Iterator[Family]:
    """Nothing while it is away."""
    if snapshot.reading is not None:
        yield from _jobs(snapshot, snapshot.reading)
        yield from _work(snapshot, snapshot.reading)


def _jobs(snapshot: Snapshot, reading: Reading) -> Iterator[Family]:
    counted = dict.fromkeys((*State, "paused", "disabled"), 0)
    for name, state in reading.states.items():
        entry = snapshot.schedule.entries.get(name)
        if entry is not None and not entry.enabled:
            counted["disabled"] += 1
        elif name in snapshot.paused:
            counted["paused"] += 1
        else:
            counted[state.state] += 1
    yield gauges(
        "lamplighter_jobs",
        "Entries of the schedule, all of them, by how they are; each is counted once.",
        ("state",),
        (((str(state),), count) for state, count in counted.items()),
    )
    known = [(name, reading.states[name]) for name in snapshot.scheduled if name in reading.states]

    def each(name: str, text: str, of: Callable[[str, JobState], float]) -> Family:
        samples = (((job,), of(job, state)) for job, state in known)
        return gauges(name, text, (JOB,), samples)

    yield each(
        "lamplighter_job_last_success_timestamp_seconds",
        f"When the job last succeeded; 0 if it never has. Of the first {MOST_JOBS} entries, as "
        "all that is by job here.",
        lambda _, state: state.last_success_at.timestamp() if state.last_success_at else 0,
    )
    yield each(
        "lamplighter_job_consecutive_failures",
        "Runs that failed for good since the job last succeeded; 0 where its last run did.",
        lambda _, state: state.failures if state.past is State.FAILING else 0,
    )
    yield each(
        "lamplighter_job_overdue",
        "1 where the job should have succeeded since, by its schedule, with 5 minutes of grace.",
        lambda _, state: state.past is State.OVERDUE,
    )
    yield each(
        "lamplighter_job_unavailable",
        "1 where the database lacks tables or columns that the job needs.",
        lambda _, state: state.past is State.UNAVAILABLE,
    )
    yield each(
        "lamplighter_job_running",
        "1 while a run of the job is under way, in any process.",
        lambda _, state: state.running,
    )
    yield each(
        "lamplighter_job_paused",
        "1 while a person has taken the job off the clock.",
        lambda job, _: job in snapshot.paused,
    )


def _work(snapshot: Snapshot, reading: Reading) -> Iterator[Family]:
    known = reading.gauges

    def fixed(
        name: str, text: str, label: str, keys: Iterable[str], values: Mapping[str, float]
    ) -> Family:
        samples = (((key,), values.get(key, 0)) for key in keys)
        return gauges(name, text, (label,), samples)

    yield fixed(
        "lamplighter_open_runs",
        f"Runs that have not ended, of all processes{UP_TO}.",
        "status",
        OPEN,
        known.open_runs,
    )
    yield gauge(
        "lamplighter_queue_depth",
        "Runs whose time to begin has come and that wait for a slot, or for the run before them.",
        known.waiting,
    )
    yield gauge(
        "lamplighter_queue_oldest_seconds",
        "How long the first of them has waited; 0 where none waits.",
        max(known.oldest, 0.0),
    )
    yield fixed(
        "lamplighter_outbox_messages",
        "Messages in the e-mail queue that are not sent, by what they wait for: due (nothing but "
        "the next run), again (a later try), later (their time), held (their sequence is paused), "
        f"left (the product's own){UP_TO}. 0 where no enabled entry sends them.",
        "waits_for",
        WAITS,
        {waits: waiting.messages for waits, waiting in known.outbox.items()},
    )
    due = known.outbox.get("due")
    since = due.oldest if due is not None else None
    yield gauge(
        "lamplighter_outbox_oldest_due_seconds",
        "How long the first message that is due has been so; 0 where none is.",
        max((snapshot.now - since).total_seconds(), 0.0) if since is not None else 0,
    )
    yield fixed(
        "lamplighter_suggestions",
        "Suggestions of agents that are open: pending (for a person to decide), approved (to be "
        f"published), publish_failed{UP_TO}.",
        "status",
        SUGGESTIONS,
        known.suggestions,
    )
    lowest = _lowest(known.quotas, snapshot.token_kinds)
    for suffix, text in (
        ("remaining", "Requests that GitHub lets a token make until its limit is renewed"),
        ("limit", "Requests that GitHub lets such a token make an hour"),
    ):
        yield gauges(
            f"lamplighter_github_quota_{suffix}",
            f"{text}: of GITHUB_TOKEN (read), GITHUB_WRITE_TOKEN (write), of the others the "
            "one that has the least left. Absent until GitHub has said so.",
            ("token",),
            (((kind,), getattr(quota, suffix)) for kind, quota in lowest.items()),
        )
    yield fixed(
        "lamplighter_model_tokens_today",
        "Tokens that all processes together have used since 00:00 UTC; requests under way count "
        "as what they may use.",
        "direction",
        ("in", "out"),
        {"in": known.spent.tokens_in, "out": known.spent.tokens_out},
    )
    yield gauge(
        "lamplighter_model_cost_today_dollars",
        "What they cost, to be held against the cap.",
        known.spent.cost_usd,
    )
    yield gauge(
        "lamplighter_conditions",
        "What keeps a part of the work from being done until somebody mends it.",
        len(known.conditions),
    )
    yield gauges(
        "lamplighter_condition",
        "1 for each of them; the others are absent. What each means is in /health.",
        ("name",),
        (((name,), 1) for name in known.conditions),
    )


def _lowest(quotas: Sequence[Quota], kinds: Mapping[str, str]) -> dict[str, Quota]:
    found: dict[str, Quota] = {}
    for quota in quotas:
        kind = kinds.get(quota.token_hash, OTHER)
        if kind not in found or quota.remaining < found[kind].remaining:
            found[kind] = quota
    return {kind: found[kind] for kind in TOKENS if kind in found}
