"""Finds patterns in issues, and trends."""

from __future__ import annotations

from datetime import datetime
from typing import Literal

from agents.kit.agent import Action, Agent, Item, Kind, Proposal, Source


class ResearcherProposal(Proposal):
    kind: Literal["research_report"]


def concerns(item: Item, _: datetime) -> bool:
    return not item.facts.get("byBot")


agent = Agent(
    task="Find what several issues have in common, and what is getting more or less.",
    reads=frozenset({Source.ISSUES}),
    concerns=concerns,
    prompt="""
Worth saying:
- Three or more issues, at least one of them new, that point to one cause nobody has named yet.
- A kind of trouble that is clearly growing, or that has come back after it was closed.
- Many people who ask for the same thing in different words.
A report says: what the issues share (with each reference), how sure that is, what would prove it
wrong, and what to look at first.
Not worth saying: single issues, restating labels, counts that the maintainers can see themselves.
""",
    proposal=ResearcherProposal,
    kinds={"research_report": Kind("Research report", Action.TODO)},
)
