"""What do the played cases say of the agents? Pure.

Quality is the model's; what lamplighter decided by itself is true of any model. With a test double
there is only the second.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum

from pydantic import JsonValue

from agents.evaluation.case import Expected
from agents.evaluation.running import Played
from agents.kit.fit import Fit

TEST_DOUBLE = "test-double"
"""The name of a model that only tests have: its answers are made up, and so is their quality."""
ALL = "all"


class Verdict(StrEnum):
    """How a case ended, beside how it should have."""

    SPOKE_RIGHTLY = "spoke rightly"
    SPOKE_WRONGLY = "spoke wrongly"
    QUIET_RIGHTLY = "quiet rightly"
    QUIET_WRONGLY = "quiet wrongly"
    FAILED = "failed"
    """It could not be played to the end."""

    @property
    def is_wrong(self) -> bool:
        return self in {Verdict.SPOKE_WRONGLY, Verdict.QUIET_WRONGLY, Verdict.FAILED}


def verdict_of(played: Played) -> tuple[Verdict, str]:
    """And why. A maintainer reads every suggestion, so one beside the matter makes it wrong."""
    expect = played.case.file.expect
    if played.error is not None:
        return Verdict.FAILED, played.error
    if not played.kept:
        if expect == "silence" or expect.or_silence:
            return Verdict.QUIET_RIGHTLY, _why_quiet(played)
        return Verdict.QUIET_WRONGLY, _why_quiet(played)
    if expect == "silence":
        return Verdict.SPOKE_WRONGLY, "silence was right"
    for fit in played.kept:
        if (why := _why_wrong(fit, expect)) or (why := _why_never(fit, played.case.file.never)):
            return Verdict.SPOKE_WRONGLY, why
    return Verdict.SPOKE_RIGHTLY, ""


def _why_quiet(played: Played) -> str:
    if played.gate is not None:
        return played.gate
    if played.ending is not None and played.ending.reason is not None:
        return played.ending.reason
    return "none of its proposals was kept"


def _why_wrong(fit: Fit, expect: Expected) -> str | None:
    if not {item.ref for item in fit.evidence} & set(expect.about):
        return f"it is not about {' or '.join(expect.about)}: {fit.title}"
    if expect.kind is not None and fit.kind != expect.kind:
        return f"it is a {fit.kind} and no {expect.kind}: {fit.title}"
    return None


def _why_never(fit: Fit, never: Sequence[str]) -> str | None:
    said = f"{fit.title}\n{fit.body}".casefold()
    found = next((words for words in never if words.casefold() in said), None)
    return None if found is None else f"it says {found!r}, which it must not: {fit.title}"


@dataclass(frozen=True, slots=True)
class Figures:
    """Of one agent, or of all."""

    agent: str
    played: Sequence[Played]

    def count(self, verdict: Verdict) -> int:
        return sum(verdict_of(one)[0] is verdict for one in self.played)

    @property
    def precision(self) -> float | None:
        """Of the cases in which it spoke, the share in which that was right."""
        rightly, wrongly = self.count(Verdict.SPOKE_RIGHTLY), self.count(Verdict.SPOKE_WRONGLY)
        return rightly / (rightly + wrongly) if rightly + wrongly else None

    @property
    def silence_rate(self) -> float | None:
        """Of the cases that were played to the end, the share in which it kept quiet."""
        ended = len(self.played) - self.count(Verdict.FAILED)
        quiet = self.count(Verdict.QUIET_RIGHTLY) + self.count(Verdict.QUIET_WRONGLY)
        return quiet / ended if ended else None

    @property
    def requests(self) -> int:
        return sum(one.usage.calls for one in self.played)

    @property
    def tokens(self) -> int:
        return sum(one.usage.tokens_in + one.usage.tokens_out for one in self.played)

    @property
    def cost_usd(self) -> Decimal:
        return sum((one.usage.cost_usd for one in self.played), Decimal(0))

    @property
    def stopped_before(self) -> int:
        """By the gate's first step, at no cost."""
        return sum(one.gate is not None for one in self.played)

    @property
    def silent(self) -> int:
        """A model was asked, and its scores were too low, or it proposed nothing."""
        return sum(one.ending is not None and one.ending.status == "silent" for one in self.played)

    @property
    def kept(self) -> int:
        return sum(len(one.kept) for one in self.played)

    @property
    def rejected(self) -> int:
        return sum(len(one.rejected) for one in self.played)

    @property
    def breaches(self) -> int:
        return sum(len(one.breaches) for one in self.played)


def figures_of(played: Sequence[Played]) -> list[Figures]:
    """By agent, and of all together at the end."""
    agents = sorted({one.case.file.agent for one in played})
    each = [
        Figures(agent, [one for one in played if one.case.file.agent == agent]) for agent in agents
    ]
    return [*each, Figures(ALL, played)]


def quality(figures: Figures) -> dict[str, JsonValue]:
    """What a model is to be judged by."""
    return {
        "spokeRightly": figures.count(Verdict.SPOKE_RIGHTLY),
        "spokeWrongly": figures.count(Verdict.SPOKE_WRONGLY),
        "quietRightly": figures.count(Verdict.QUIET_RIGHTLY),
        "quietWrongly": figures.count(Verdict.QUIET_WRONGLY),
        "precision": _rounded(figures.precision),
        "silenceRate": _rounded(figures.silence_rate),
        "tokens": figures.tokens,
        "costUsd": float(figures.cost_usd),
    }


def decisions(figures: Figures) -> dict[str, JsonValue]:
    """What lamplighter itself decided."""
    return {
        "cases": len(figures.played),
        "failed": figures.count(Verdict.FAILED),
        "requests": figures.requests,
        "stoppedBefore": figures.stopped_before,
        "silent": figures.silent,
        "kept": figures.kept,
        "rejected": figures.rejected,
        "breaches": figures.breaches,
    }


def rejections(played: Sequence[Played]) -> list[tuple[str, int]]:
    """Why proposals were not kept, the most frequent first; what stands in quotes is left out."""
    reasons = Counter(_plain(why) for one in played for _, why in one.rejected)
    return sorted(reasons.items(), key=lambda pair: (-pair[1], pair[0]))


def _plain(why: str) -> str:
    """`its evidence 'pull:9' is not among ...` is one reason, whatever the reference."""
    return " ".join(
        word
        for part in why.split("'")[::2]
        for word in part.split()
        if not word.replace(".", "", 1).isdigit()
    )


def told(played: Played, *, with_quality: bool) -> dict[str, JsonValue]:
    """One case, for a program."""
    verdict, why = verdict_of(played)
    known: dict[str, JsonValue] = {
        "case": played.case.name,
        "agent": played.case.file.agent,
        "tags": list(played.case.file.tags),
        "error": played.error,
        "gate": played.gate,
        "requests": played.usage.calls,
        "kept": [fit.as_json() for fit in played.kept],
        "rejected": [{"title": title, "reason": reason} for title, reason in played.rejected],
        "breaches": list(played.breaches),
    }
    if with_quality:
        scores = None if played.ending is None else played.ending.scores
        known |= {
            "verdict": str(verdict),
            "why": why or None,
            "scores": None if scores is None else scores.as_json(),
        }
    return known


def _rounded(share: float | None) -> float | None:
    return None if share is None else round(share, 3)
