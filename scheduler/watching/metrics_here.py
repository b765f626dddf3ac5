"""What does this process tell a scrape of itself: how it is, what it ran, whom it asked?

docs/metrics.md has a row for each metric here.
"""

from __future__ import annotations

import platform
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

from scheduler.job import Job, Params
from scheduler.meter import Ending, Service
from scheduler.watching.counts import ENDS, MOST_JOBS, OTHER, TRIGGERS, JobCounts
from scheduler.watching.exposition import (
    JOB,
    Family,
    Samples,
    counters,
    gauge,
    gauges,
    histograms,
    info,
)
from scheduler.watching.metrics import Snapshot


def of_this_process(snapshot: Snapshot) -> Iterator[Family]:
    yield from _daemon(snapshot)
    yield from _counted(snapshot)
    yield from _asked_of_others(snapshot)


def _daemon(snapshot: Snapshot) -> Iterator[Family]:
    yield info(
        "lamplighter_build",
        "The version that runs here.",
        {"version": snapshot.version, "python": platform.python_version()},
    )
    yield gauge(
        "lamplighter_database_up",
        "1 where the database answered this scrape; while it is 0, what is read from it is absent.",
        snapshot.reading is not None,
    )
    yield gauge(
        "lamplighter_clock_silence_seconds",
        "Since the clock last ticked: it ticks every second, and /livez fails after 30.",
        snapshot.clock_silence,
    )
    yield histograms(
        "lamplighter_event_loop_lag_seconds",
        "How much later than asked the process woke up, once a second.",
        (),
        [((), snapshot.lag)],
    )
    yield gauge(
        "lamplighter_schedule_reload_success",
        "1 where the schedule file was accepted when it was last read; 0 where it has errors, and "
        "the schedule before it stays in force.",
        snapshot.reload_ok,
    )
    yield gauge(
        "lamplighter_schedule_reload_timestamp_seconds",
        "When the schedule file was last read, accepted or not.",
        snapshot.reloaded_at.timestamp(),
    )
    yield gauge(
        "lamplighter_schedule_entries",
        "Entries of the schedule in force, disabled ones included.",
        len(snapshot.schedule.entries),
    )
    yield gauge(
        "lamplighter_run_slots",
        "Runs that this process may have at a time.",
        snapshot.schedule.max_concurrent_runs,
    )
    yield gauge("lamplighter_run_slots_used", "Runs in this process now.", snapshot.running_here)
    states = ("used", "idle")
    yield gauges(
        "lamplighter_pool_connections",
        "Database connections of this process that are open, by pool and whether they are in use.",
        ("pool", "state"),
        (
            ((pool, state), getattr(use, state))
            for pool, use in snapshot.pools.items()
            for state in states
        ),
    )
    yield gauges(
        "lamplighter_pool_connections_max",
        "Connections that the pool may open.",
        ("pool",),
        (((pool,), use.most) for pool, use in snapshot.pools.items()),
    )
    yield gauges(
        "lamplighter_pool_waiting",
        "Callers in this process that wait for a connection of the pool.",
        ("pool",),
        (((pool,), use.waiting) for pool, use in snapshot.pools.items()),
    )


def _counted(snapshot: Snapshot) -> Iterator[Family]:
    jobs = snapshot.counts.jobs
    declared = snapshot.counts.declared
    bound = f"Beyond {MOST_JOBS} entries of the schedule the job is `{OTHER}`."

    def each(keys: Iterable[str], of: Callable[[JobCounts], Mapping[str, float]]) -> Samples:
        keys = tuple(keys)
        return (
            ((name, key), of(counts).get(key, 0)) for name, counts in jobs.items() for key in keys
        )

    yield counters(
        "lamplighter_runs",
        f"Runs to which this process gave their final status. {bound}",
        (JOB, "status"),
        each(map(str, ENDS), lambda counts: counts.ended),
    )
    yield counters(
        "lamplighter_attempts",
        "Attempts that began in this process, by what made their run; a run has several where it "
        "is retried.",
        (JOB, "trigger"),
        each(map(str, TRIGGERS), lambda counts: counts.attempts),
    )
    yield histograms(
        "lamplighter_attempt_duration_seconds",
        "How long attempts took that ended in this process.",
        (JOB,),
        (((name,), counts.seconds) for name, counts in jobs.items()),
    )
    yield histograms(
        "lamplighter_fire_lateness_seconds",
        "How long after their time (and their entry's jitter) runs of the clock began here, waits "
        "for a slot or for the run before them included.",
        ("trigger",),
        (((trigger,), seen) for trigger, seen in snapshot.counts.lateness.items()),
    )
    yield counters(
        "lamplighter_rows_changed",
        "Rows that successful runs wrote or deleted, as far as their job counts them; jobs that "
        "count none are absent.",
        (JOB,),
        (
            ((name,), counts.changed)
            for name, counts in jobs.items()
            if name in declared and declared[name].changes
        ),
    )
    yield counters(
        "lamplighter_results",
        "What successful runs did, by keys of their data: messages sent, projects synced, ...; "
        "only keys that their job declares to be such counts.",
        (JOB, "result"),
        (
            ((name, key), counts.results[key])
            for name, counts in jobs.items()
            for key in _keys(declared.get(name))
        ),
    )


def _asked_of_others(snapshot: Snapshot) -> Iterator[Family]:
    yield counters(
        "lamplighter_requests",
        "Requests from this process to GitHub and to the model, each try counted, by how they "
        "ended: ok, refused (4xx), limited (by a limit of requests), failed (5xx), unanswered.",
        ("service", "outcome"),
        (
            ((str(service), str(ending)), snapshot.requests.get((service, ending), 0))
            for service in Service
            for ending in Ending
        ),
    )
    yield counters(
        "lamplighter_model_tokens",
        "Tokens that agents in this process used.",
        ("model", "agent", "direction"),
        (
            ((model, agent, direction), count)
            for (model, agent), usage in snapshot.usage.items()
            for direction, count in (("in", usage.tokens_in), ("out", usage.tokens_out))
        ),
    )
    yield counters(
        "lamplighter_model_cost_dollars",
        "What they cost by the prices in the schedule file.",
        ("model", "agent"),
        (
            ((model, agent), float(usage.cost_usd))
            for (model, agent), usage in snapshot.usage.items()
        ),
    )
    yield gauge(
        "lamplighter_model_cost_cap_dollars",
        "The most that all projects together may cost a day (agents.daily_cost_cap_usd).",
        snapshot.schedule.agents.caps.daily_cost_cap_usd,
    )


def _keys(job: Job[Params] | None) -> Sequence[str]:
    return job.counts if job is not None else ()
