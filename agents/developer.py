"""Reviews pull requests, and finds code that gives trouble and items that lie about."""

from __future__ import annotations

from datetime import datetime
from typing import Literal

from agents.kit.agent import Action, Agent, Item, Kind, Proposal, Source


class DeveloperProposal(Proposal):
    kind: Literal["pr_review", "code_improvement"]


def concerns(item: Item, _: datetime) -> bool:
    """Pull requests that wait, and what people committed; not the updates of machines."""
    if item.facts.get("byBot"):
        return False
    if item.source is Source.PULLS:
        return item.facts["state"] == "open" and not item.facts["draft"]
    return True


agent = Agent(
    task="Review pull requests, and point out code changes and stale pull requests that need work.",
    reads=frozenset({Source.PULLS, Source.COMMITS}),
    concerns=concerns,
    prompt="""
Worth saying:
- An open pull request whose description, size or touched files raise a concrete question: no test
  beside a changed behaviour, a migration without a way back, two unrelated changes in one, a
  security matter, a description that does not say why.
- A pull request that is stale or waits without any review although it is small and clear: say what
  keeps it, or how to split it.
- The same files changed again and again by fixes within days: where the cause may lie.
Not worth saying: style, naming, what a linter says, praise, summaries of what the author wrote, and
guesses about code that you cannot see. You see file names and sizes, not the lines.
""",
    proposal=DeveloperProposal,
    kinds={
        "pr_review": Kind("Review of a pull request", Action.REVIEW, Source.PULLS),
        "code_improvement": Kind("Improvement of the code", Action.ISSUE),
    },
)
