"""What do the facts of a look make of the incidents that are known? Pure.

A run that failed opens an incident once; what holds (a condition, a late success) opens one for as
long as it holds. What the record says of a job closes both.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from scheduler.alerting import AlertPolicy, Kind
from scheduler.incident import BadEnd, Facts, Incident, JobFact, Notice, Standing
from scheduler.run import Status

UNSEEN = timedelta(minutes=1)
"""What no process sees any more for so long is over: each sees its own schedule file."""
FORGOTTEN = timedelta(days=1)
"""A job that is off the clock and has not run for so long troubles nobody."""

_FAILING = {
    Status.FAILED: Kind.FAILED,
    Status.TIMED_OUT: Kind.FAILED,
    Status.ABANDONED: Kind.ABANDONED,
}


@dataclass(frozen=True, slots=True)
class Decision:
    incidents: Mapping[str, Incident]
    """Those that go on, by key."""
    notices: Sequence[Notice]


def decide(facts: Facts, known: Mapping[str, Incident], policy: AlertPolicy) -> Decision:
    """What goes on from now on, and what people are to be told."""
    look = _Look(facts, dict(known), policy)
    look.see_ends()
    look.see_late()
    look.see_standing("condition:", Kind.CONDITION, facts.conditions)
    look.see_standing("channel:", Kind.CHANNEL, facts.channels)
    look.see_rejected()
    look.tell()
    look.close()
    return Decision(look.incidents, look.notices)


class _Look:
    def __init__(self, facts: Facts, incidents: dict[str, Incident], policy: AlertPolicy) -> None:
        self.incidents = incidents
        self.notices: list[Notice] = []
        self._facts = facts
        self._policy = policy
        self._recovered: set[str] = set()

    def see_ends(self) -> None:
        for end in self._facts.ended:
            if end.status is Status.MISSED:
                self._see_missed(end)
            else:
                self._see_failed(end)

    def _see_failed(self, end: BadEnd) -> None:
        key = f"failing:{end.job}"
        before = self.incidents.get(key)
        self.incidents[key] = Incident(
            key=key,
            kind=_FAILING[end.status],
            subject=end.job,
            job=end.job,
            opened_at=before.opened_at if before else end.at,
            seen_at=end.at,
            # Once it has recovered the record counts none: then those that were seen count.
            count=self._job(end.job).failures or (before.count + 1 if before else 1),
            words=end.words,
            run_id=end.run_id,
            told_at=before.told_at if before else None,
            reminded_at=before.reminded_at if before else None,
        )

    def _see_missed(self, end: BadEnd) -> None:
        key = f"missed:{end.job}"
        before = self.incidents.get(key)
        if before is None:
            self.incidents[key] = Incident(
                key, Kind.MISSED, end.job, end.job, end.at, end.at, end.count, end.words, end.run_id
            )
        else:
            self.incidents[key] = replace(before, seen_at=end.at, count=before.count + end.count)

    def see_late(self) -> None:
        for job, fact in self._facts.jobs.items():
            key = f"overdue:{job}"
            known = self.incidents.get(key)
            if fact.expected_at is None:
                continue
            if known is not None:
                self.incidents[key] = replace(known, seen_at=self._facts.now)
            elif self._is_overdue(job, fact, fact.expected_at):
                self._open(key, Kind.OVERDUE, job, job, Standing("", fact.expected_at))

    def _is_overdue(self, job: str, fact: JobFact, expected_at: datetime) -> bool:
        """A run that goes on is bounded by its timeout, and one that failed was told."""
        if fact.is_active or f"failing:{job}" in self.incidents:
            return False
        waited_since = max(expected_at, self._facts.present_since or expected_at)
        return self._facts.now - waited_since > self._policy.overdue_grace

    def see_standing(self, prefix: str, kind: Kind, standing: Mapping[str, Standing]) -> None:
        for name, one in standing.items():
            key = f"{prefix}{name}"
            if key in self.incidents:
                self.incidents[key] = replace(
                    self.incidents[key], seen_at=self._facts.now, words=one.words
                )
            else:
                self._open(key, kind, name, None, one)

    def see_rejected(self) -> None:
        if self._facts.rejected is None:
            return
        before = self.incidents.get("schedule")
        if before is None:
            self._open(
                "schedule",
                Kind.SCHEDULE,
                # The file's name comes first in it.
                self._facts.rejected.partition(":")[0],
                None,
                Standing(self._facts.rejected, self._facts.now),
            )
        else:
            self.incidents["schedule"] = replace(before, seen_at=self._facts.now)

    def _open(self, key: str, kind: Kind, subject: str, job: str | None, what: Standing) -> None:
        self.incidents[key] = Incident(
            key=key,
            kind=kind,
            subject=subject,
            job=job,
            opened_at=what.since,
            seen_at=self._facts.now,
            words=what.words,
            is_baseline=self._facts.is_first,
        )

    def tell(self) -> None:
        """Each once; and again after a while, of what still goes on."""
        now, every = self._facts.now, self._policy.remind_every
        for key, one in self.incidents.items():
            if one.is_baseline:
                continue
            told_as = self._told_as(one)
            if told_as is None:
                continue
            if one.told_at is None:
                self.notices.append(self._notice(one, told_as))
                self.incidents[key] = replace(one, told_at=now)
            elif (
                every is not None
                and one.kind is not Kind.MISSED
                and now - (one.reminded_at or one.told_at) >= every
                and not self._is_over(one)
            ):
                self.notices.append(replace(self._notice(one, told_as), again=True))
                self.incidents[key] = replace(one, reminded_at=now)

    def _told_as(self, one: Incident) -> Kind | None:
        """As what people may hear of it now."""
        kinds = [one.kind]
        if one.key.startswith("failing:") and one.count >= self._policy.repeated_failures:
            kinds.append(Kind.REPEATED)
        return next(
            (kind for kind in kinds if self._policy.tells(kind, one.job, self._facts.now)), None
        )

    def close(self) -> None:
        for key, one in list(self.incidents.items()):
            if not self._is_over(one):
                continue
            del self.incidents[key]
            if one.told_at is not None and self._is_well(one):
                self._tell_recovery(one)

    def _tell_recovery(self, one: Incident) -> None:
        if one.subject in self._recovered or not self._policy.tells(
            Kind.RECOVERED, one.job, self._facts.now
        ):
            return
        self._recovered.add(one.subject)
        self.notices.append(
            replace(self._notice(one, Kind.RECOVERED), was=one.kind, run_id=None, words="")
        )

    def _is_over(self, one: Incident) -> bool:
        match one.kind:
            case Kind.FAILED | Kind.ABANDONED | Kind.REPEATED:
                fact = self._job(one.subject)
                gone = not fact.is_on_clock and self._facts.now - one.seen_at > FORGOTTEN
                return not fact.is_failing or gone
            case Kind.OVERDUE:
                if self._succeeded_since(self._job(one.subject), one.opened_at):
                    return True
                return self._facts.now - one.seen_at > UNSEEN
            case Kind.MISSED:
                fact = self._job(one.subject)
                return not fact.is_on_clock or self._succeeded_since(fact, one.opened_at)
            case Kind.CONDITION:
                return one.subject not in self._facts.conditions
            case Kind.CHANNEL:
                return one.subject not in self._facts.channels
            case Kind.SCHEDULE:
                return self._facts.now - one.seen_at > UNSEEN
            case Kind.DATABASE | Kind.RECOVERED:
                return True

    def _is_well(self, one: Incident) -> bool:
        """Whether it is over because it is well again, and that is worth a word."""
        match one.kind:
            case Kind.FAILED | Kind.ABANDONED | Kind.REPEATED | Kind.OVERDUE:
                return self._succeeded_since(self._job(one.subject), one.opened_at)
            case Kind.CONDITION | Kind.CHANNEL | Kind.SCHEDULE:
                return True
            case Kind.MISSED | Kind.DATABASE | Kind.RECOVERED:
                return False

    def _job(self, name: str) -> JobFact:
        return self._facts.jobs.get(name, JobFact(is_on_clock=False))

    @staticmethod
    def _succeeded_since(fact: JobFact, moment: datetime) -> bool:
        return fact.last_success_at is not None and fact.last_success_at >= moment

    def _notice(self, one: Incident, kind: Kind) -> Notice:
        return Notice(
            kind=kind,
            subject=one.subject,
            job=one.job,
            at=self._facts.now,
            since=one.opened_at,
            count=one.count,
            words=one.words,
            run_id=one.run_id,
            not_for=one.subject if one.kind is Kind.CHANNEL else None,
        )


def jobs_of(ended: Iterable[BadEnd], known: Iterable[Incident]) -> set[str]:
    """Of which jobs a look has to know how they stand, beside those on the schedule."""
    return {end.job for end in ended} | {one.job for one in known if one.job is not None}
