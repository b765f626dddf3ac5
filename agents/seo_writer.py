"""Improves what people read first: the README and the documentation."""

from __future__ import annotations

from datetime import datetime
from pathlib import PurePosixPath
from typing import Literal

from agents.kit.agent import Action, Agent, Item, Kind, Proposal, Source

TEXTS = frozenset({"", ".md", ".mdx", ".rst", ".txt", ".adoc"})


class SeoWriterProposal(Proposal):
    kind: Literal["docs_improvement"]


def concerns(item: Item, _: datetime) -> bool:
    return PurePosixPath(item.key).suffix.lower() in TEXTS


agent = Agent(
    task="Improve the README and documentation, so that people find, understand and trust them.",
    reads=frozenset({Source.FILES}),
    concerns=concerns,
    prompt="""
Worth saying:
- A README that does not say in its first lines what the project is and for whom.
- Steps that cannot work as written, contradict each other, or name things that are not there.
- Headings and first sentences that leave out the words by which people would search.
- A page under docs/ that repeats another one, or that no page leads to.
Quote the passage (at most two lines) and write the better wording.
Not worth saying: spelling in a single word, taste, more badges, more text.
""",
    proposal=SeoWriterProposal,
    kinds={
        "docs_improvement": Kind("Improvement of the documentation", Action.ISSUE, Source.FILES)
    },
    most_items=12,
)
