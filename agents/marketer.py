"""Tells people about releases and milestones."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Literal

from agents.kit.agent import Action, Agent, Item, Kind, Proposal, Source


class MarketerProposal(Proposal):
    kind: Literal["blog_post", "release_notes"]


def concerns(item: Item, now: datetime) -> bool:
    """What is out or about to be: news of last month is none."""
    if item.source is Source.RELEASES:
        return not item.facts["prerelease"] and now - item.at <= timedelta(days=14)
    return item.facts["state"] == "closed" or bool(item.facts["allDone"])


agent = Agent(
    task="Tell users about releases and finished milestones: blog posts and release notes.",
    reads=frozenset({Source.RELEASES, Source.MILESTONES}),
    concerns=concerns,
    prompt="""
Worth saying:
- A release whose notes are missing, or only a list of commits: release notes that say what users
  can do now that they could not do before, what they must change, and nothing else.
- A release or finished milestone with something that users have waited for: a blog post of at most
  300 words, plain, without superlatives, every statement with its reference.
Not worth saying: patch releases with one small fix, releases whose notes already say it well,
announcements of what is not there yet.
""",
    proposal=MarketerProposal,
    kinds={
        "blog_post": Kind("Blog post", Action.TODO),
        "release_notes": Kind("Release notes", Action.DRAFT_RELEASE, Source.RELEASES),
    },
    look_back=timedelta(days=14),
)
