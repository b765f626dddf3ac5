"""How `agents dry-run` and `agents eval` print what came of it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import click

from agents.evaluation.report import (
    TEST_DOUBLE,
    decisions,
    figures_of,
    quality,
    rejections,
    told,
    verdict_of,
)
from agents.kit.gate import Quiet
from scheduler.commands.output import print_json, print_table

if TYPE_CHECKING:
    from agents.dry_run import Rehearsed
    from agents.evaluation.report import Figures
    from agents.evaluation.running import Played
    from agents.kit.fit import Fit
    from agents.kit.gate import Scores

MOST_QUOTED = 600
"""Characters of a suggestion's text."""
NO_QUALITY = (
    f"{TEST_DOUBLE} is no model: there are no figures of quality, only what lamplighter itself "
    "decided."
)


def show_rehearsed(
    rehearsed: Sequence[Rehearsed], note: str | None, *, prompts: bool, as_json: bool
) -> None:
    if as_json:
        agents = [_rehearsed_told(one, prompts=prompts) for one in rehearsed]
        print_json({"agents": agents, "note": note})
        return
    for one in rehearsed:
        if prompts:
            for question in one.questions:
                click.echo(f"--- {one.agent}: {question.purpose}, system")
                click.echo(question.system)
                click.echo(f"--- {one.agent}: {question.purpose}, user")
                click.echo(question.user)
        for fit in one.suggestions:
            _say_suggestion(one.agent, fit)
        for title, why in one.rejected:
            click.echo(f"--- {one.agent} would not suggest: {title}\n{why}")
    print_table(
        ("agent", "items", "decision", "scores", "suggestions", "requests", "tokens", "cost"),
        [
            (
                one.agent,
                None if isinstance(one.gate, Quiet) else len(one.gate.items),
                _decision(one),
                _scores(None if one.ending is None else one.ending.scores),
                len(one.suggestions),
                one.usage.calls,
                one.usage.tokens_in + one.usage.tokens_out,
                f"${one.usage.cost_usd:.4f}",
            )
            for one in rehearsed
        ],
    )
    if note is not None:
        click.echo(f"lamplighter: {note}", err=True)


def _decision(one: Rehearsed) -> str:
    if isinstance(one.gate, Quiet):
        return f"skipped: {one.gate.reason}"
    if one.ending is None:
        return "would be asked"
    if one.ending.status == "suggested" and not one.suggestions:
        return "silent: none of its proposals would be kept"
    return f"{one.ending.status}: {one.ending.reason}" if one.ending.reason else one.ending.status


def _scores(scores: Scores | None) -> str | None:
    if scores is None:
        return None
    return " ".join(f"{name} {score:.2f}" for name, score in scores.as_json().items())


def _say_suggestion(agent: str, fit: Fit) -> None:
    refs = ", ".join(item.ref for item in fit.evidence)
    click.echo(f"--- {agent} would suggest ({fit.kind}, confidence {fit.confidence:.2f}, {refs})")
    click.echo(f"{fit.title}\n\n{fit.body}\n")
    click.echo(f"Publishing would do: {dict(fit.action)}")


def _rehearsed_told(one: Rehearsed, *, prompts: bool) -> dict[str, Any]:
    scores = None if one.ending is None else one.ending.scores
    known: dict[str, Any] = {
        "agent": one.agent,
        "decision": _decision(one),
        "items": [] if isinstance(one.gate, Quiet) else [item.ref for item in one.gate.items],
        "scores": None if scores is None else scores.as_json(),
        "suggestions": [fit.as_json() for fit in one.suggestions],
        "rejected": [{"title": title, "reason": why} for title, why in one.rejected],
        "requests": one.usage.calls,
        "tokensIn": one.usage.tokens_in,
        "tokensOut": one.usage.tokens_out,
        "costUsd": float(one.usage.cost_usd),
    }
    if prompts:
        known["prompts"] = [
            {"purpose": asked.purpose, "system": asked.system, "user": asked.user}
            for asked in one.questions
        ]
    return known


def show_played(played: Sequence[Played], model: str, *, as_json: bool) -> None:
    with_quality = model != TEST_DOUBLE
    figures = figures_of(played)
    if as_json:
        print_json(
            {
                "model": model,
                "note": None if with_quality else NO_QUALITY,
                "agents": {
                    one.agent: {**decisions(one), **(quality(one) if with_quality else {})}
                    for one in figures
                },
                "cases": [told(one, with_quality=with_quality) for one in played],
            }
        )
        return
    for one in played:
        _say_case(one, with_quality=with_quality)
    if with_quality:
        _quality_table(figures)
    else:
        click.echo(NO_QUALITY)
    _decisions_table(figures)
    if reasons := rejections(played):
        print_table(("proposals", "not kept because"), [(count, why) for why, count in reasons])


def _say_case(one: Played, *, with_quality: bool) -> None:
    """Those that went wrong, with what was answered."""
    verdict, why = verdict_of(one)
    wrong = verdict.is_wrong if with_quality else one.error is not None
    if not wrong and not one.breaches:
        return
    click.echo(f"--- {one.case.name}: {verdict if with_quality else 'failed'}: {why}")
    if one.error is None:
        click.echo(f"expected: {one.case.file.why}")
    for fit in one.kept:
        refs = ", ".join(item.ref for item in fit.evidence)
        click.echo(f"answered ({fit.kind}, {refs}): {fit.title}\n{fit.body[:MOST_QUOTED]}")
    for title, reason in one.rejected:
        click.echo(f"not kept: {title}: {reason}")
    for breach in one.breaches:
        click.echo(f"BREACH: {breach}")


def _quality_table(figures: Sequence[Figures]) -> None:
    def share(value: object) -> str | None:
        return f"{value:.0%}" if isinstance(value, float) else None

    rows = [(one, quality(one)) for one in figures]
    print_table(
        (
            *("agent", "cases", "spoke rightly", "spoke wrongly", "quiet rightly"),
            *("quiet wrongly", "failed", "precision", "silence", "tokens", "cost"),
        ),
        [
            (
                one.agent,
                len(one.played),
                *(told[key] for key in ("spokeRightly", "spokeWrongly", "quietRightly")),
                told["quietWrongly"],
                decisions(one)["failed"],
                share(told["precision"]),
                share(told["silenceRate"]),
                told["tokens"],
                f"${one.cost_usd:.4f}",
            )
            for one, told in rows
        ],
    )


def _decisions_table(figures: Sequence[Figures]) -> None:
    print_table(
        (
            *("agent", "cases", "not asked", "requests", "silent", "kept", "not kept"),
            *("breaches", "failed"),
        ),
        [
            (
                one.agent,
                len(one.played),
                one.stopped_before,
                one.requests,
                one.silent,
                one.kept,
                one.rejected,
                one.breaches,
                decisions(one)["failed"],
            )
            for one in figures
        ],
    )
