"""Gives feedback on what people see: issues about the user interface."""

from __future__ import annotations

import re
from datetime import datetime
from typing import Literal

from agents.kit.agent import Action, Agent, Item, Kind, Proposal, Source

LABELS = re.compile(
    r"\b(ui|ux|a11y|accessibility|design|frontend|front-end|css|layout|theme|usability)\b",
    re.IGNORECASE,
)
WORDS = re.compile(
    r"\b(user interface|ui|ux|layout|button|modal|dialog|screen reader|contrast|dark mode|font|icon"
    r"|tooltip|menu|sidebar|toolbar|responsive|mobile view|alignment|overflow(s|ing)?|css"
    r"|accessib\w+)\b",
    re.IGNORECASE,
)


class DesignerProposal(Proposal):
    kind: Literal["design_feedback"]


def concerns(item: Item, _: datetime) -> bool:
    """Open issues that their labels, or else their own words, make a matter of the interface."""
    if item.facts["state"] != "open" or item.facts.get("byBot"):
        return False
    labels = item.facts.get("labels")
    if isinstance(labels, list) and any(LABELS.search(str(label)) for label in labels):
        return True
    return bool(WORDS.search(item.title) or WORDS.search(item.text[:2000]))


agent = Agent(
    task="Give design feedback on issues that concern the user interface and its accessibility.",
    reads=frozenset({Source.ISSUES}),
    concerns=concerns,
    prompt="""
Worth saying:
- An issue where a known pattern, or a rule of WCAG (name its number), settles what is being asked.
- Two issues that contradict each other in how the interface should behave: a way that serves both.
- A request whose real need is another one: say which, and the smallest change that meets it.
Write for the person who will build it: states, empty and error cases, keyboard and screen reader.
Not worth saying: colours by taste, redesigns, what the issue already says.
""",
    proposal=DesignerProposal,
    kinds={"design_feedback": Kind("Design feedback", Action.COMMENT, Source.ISSUES)},
)
