"""How does one run go over many projects: what they share is opened once, a few at a time."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field

from pydantic import JsonValue

import agents
from agents.github.session import github_session
from agents.github.store import Bounds
from agents.github.terms import Pace
from agents.kit.errors import NotConfiguredError
from agents.kit.llm import open_model
from agents.kit.registry import find_agents
from agents.projects import Stop, Tools, Visit, visit
from scheduler.errors import BusyError
from scheduler.job import JobContext

MOST_ERRORS = 20
"""That an answer names; the others' stand with the projects."""
MOST_REASONS = 10
NO_MODEL = "llm not configured: set OPENAI_API_KEY, or OPENAI_BASE_URL for an endpoint of your own"


@asynccontextmanager
async def open_tools(ctx: JobContext, concurrent_requests: int = 8) -> AsyncIterator[Tools]:
    """What visits share, as far as it is configured; `ctx` says for how long."""
    async with AsyncExitStack() as stack:
        github = model = None
        if ctx.services.github.configured:
            pace = Pace(concurrent=concurrent_requests, seconds_left=ctx.seconds_left)
            github = await stack.enter_async_context(github_session(ctx, pace))
        try:
            model = await stack.enter_async_context(open_model(ctx))
        except NotConfiguredError:
            ctx.log.info("llm_not_configured")
        yield Tools(find_agents(agents), Bounds(), github, model)


@dataclass
class Tally:
    """What came of the visits of one run."""

    visits: list[Visit] = field(default_factory=list)
    skipped: int = 0
    """Projects that another run is working on or has done for that batch, and those that are not to
    be gone over any more."""

    @property
    def errors(self) -> list[JsonValue]:
        failed = [one for one in self.visits if one.error is not None]
        return [{"projectId": str(one.project), "error": one.error} for one in failed[:MOST_ERRORS]]

    def agents(self) -> dict[str, JsonValue]:
        """How many looks ended how, over all projects."""
        teams = [one.team for one in self.visits if one.team is not None]
        return {
            "suggested": sum(team.suggested for team in teams),
            "silent": sum(team.silent for team in teams),
            "skipped": sum(team.skipped for team in teams),
            "failed": sum(team.failed for team in teams),
        }

    def skips(self) -> dict[str, JsonValue]:
        """Why agents were skipped, and how many for each reason; the most frequent ones."""
        all_of_them: Counter[str] = Counter()
        for one in self.visits:
            if one.team is not None:
                all_of_them.update(one.team.skips)
        return dict(all_of_them.most_common(MOST_REASONS))

    def suggestions(self) -> int:
        return sum(one.team.suggestions for one in self.visits if one.team is not None)

    def left_out(self) -> list[JsonValue]:
        """The caps that kept agents from looking, each once: what it says where it was first met,
        and how many looks at how many projects it has met.
        """
        met: dict[str, tuple[str, int, int]] = {}
        for one in self.visits:
            for cap, said in (one.team.capped if one.team is not None else {}).items():
                first, projects, looks = met.get(cap, (said[0], 0, 0))
                met[cap] = (first, projects + 1, looks + len(said))
        return [
            {"cap": first, "projects": projects, "looks": looks}
            for first, projects, looks in met.values()
        ]


async def go_round(ctx: JobContext, tools: Tools, stops: Sequence[Stop], concurrent: int) -> Tally:
    """Visit each, `concurrent` at a time; the failure of one does not stop the others."""
    tally = Tally()
    todo = iter(stops)
    ended = 0

    async def work() -> None:
        nonlocal ended
        for stop in todo:
            try:
                done = await visit(ctx, tools, stop)
            except BusyError as error:
                ctx.log.info("project_busy", error=str(error))
                done = None
            if done is None:
                tally.skipped += 1
            else:
                tally.visits.append(done)
            ended += 1
            ctx.progress(ended, len(stops))

    tasks = [asyncio.create_task(work()) for _ in range(min(concurrent, len(stops)))]
    try:
        await asyncio.gather(*tasks)
    finally:
        # Where one has lost the run, or the run is over, the others end too.
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
    return tally
