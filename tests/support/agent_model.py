"""What a model of the tests says to the agents' two questions, and who asked."""

from __future__ import annotations

import hashlib
import json
import re
from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any

from tests.support.openai_server import Asked, Says

SHOWN = re.compile(r"^\[([a-z]+:[^\]\n]+)\] (NEW|SEEN)", re.MULTILINE)
TASKS = {
    "Review pull requests": "developer",
    "Find what several issues": "researcher",
    "Tell users about releases": "marketer",
    "Improve the README": "seo_writer",
    "Give design feedback": "designer",
}
KINDS = {
    "developer": "pr_review",
    "researcher": "research_report",
    "marketer": "release_notes",
    "seo_writer": "docs_improvement",
    "designer": "design_feedback",
}
TARGET = {
    "pr_review": "pull:",
    "code_improvement": "",
    "research_report": "",
    "release_notes": "release:",
    "blog_post": "",
    "docs_improvement": "file:",
    "design_feedback": "issue:",
}


def agent_of(request: Any) -> str:
    """Which agent asks."""
    system = request["messages"][0]["content"]
    return next(agent for task, agent in TASKS.items() if task in system)


def is_score(request: Any) -> bool:
    return str(request["messages"][1]["content"]).startswith("Score the data")


def shown(request: Any, state: str | None = None) -> list[str]:
    text = request["messages"][1]["content"]
    return [ref for ref, is_new in SHOWN.findall(text) if state in {None, is_new}]


def verdict(refs: Sequence[str], **scores: float) -> str:
    known = {"relevance": 0.9, "actionability": 0.9, "freshness": 0.9, "value": 0.9, **scores}
    return json.dumps(
        {
            **{name: {"score": score, "evidence": f"{name}"} for name, score in known.items()},
            "refs": list(refs)[:40],
        }
    )


def suggestion(kind: str, *evidence: str, **changes: Any) -> dict[str, Any]:
    return {
        "kind": kind,
        "title": f"Something about {evidence[0] if evidence else 'nothing'}",
        "body": f"In {', '.join(evidence)} there is something that should be looked at.",
        "evidence": list(evidence),
        "confidence": 0.8,
        **changes,
    }


def proposals(*all_of_them: dict[str, Any]) -> str:
    return json.dumps({"suggestions": list(all_of_them)})


def words(seed: str, count: int) -> str:
    """Words that no other seed has, so that they are no form letter."""
    digest = hashlib.sha256(seed.encode()).hexdigest()
    return " ".join(hashlib.sha256(f"{digest}{n}".encode()).hexdigest()[:7] for n in range(count))


def eager(request: Any) -> str:
    """Finds everything that is new worth speaking of, each thing by itself, and knows its kinds."""
    new = shown(request, "NEW")
    if is_score(request):
        return verdict(new)
    agent = agent_of(request)
    kind = KINDS[agent]
    about = [ref for ref in new if ref.startswith(TARGET[kind])]
    return proposals(
        *(
            suggestion(kind, ref, title=words(agent + ref, 6), body=words(agent + ref, 30))
            for ref in about[:20]
        )
    )


def for_agent(**says: Callable[[Any], Says | str]) -> Callable[[Any], Says | str]:
    """Another answer for some agents; the others are eager."""
    return lambda request: says.get(agent_of(request), eager)(request)


def calls(asked: Sequence[Asked]) -> Counter[str]:
    """Requests by agent."""
    return Counter(agent_of(one.body) for one in asked)
