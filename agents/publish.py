"""How does what was approved get to GitHub, or to the product's list of things to do, once?

By an outbox: the approval is used up together with a row that holds a mark; the mark stands hidden
in what is sent. Whatever a crash leaves open is looked up by its mark before it is sent again.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal
from uuid import UUID

import asyncpg

from agents import outbox
from agents.approvals import expire
from agents.github.errors import GitHubError, RefusedError, TokenError
from agents.github.session import Session, github_session
from agents.github.terms import Budget, Pace
from agents.github.writing import Writer
from agents.outbox import Task
from agents.todos import add_todo, why_no_todo
from scheduler.errors import BusyError, ConflictError, NotFoundError
from scheduler.job import JobContext

LAG = timedelta(seconds=30)
"""By which GitHub's lists may be behind its writes, and what a dead process has sent, behind it."""
REQUESTS = 60
"""Of one publication."""
MOST_READY = 100
"""Publications of one call; the rest with the next."""


@dataclass(frozen=True, slots=True)
class Outcome:
    suggestion: UUID
    status: Literal["published", "publish_failed", "pending", "approved"]
    """`pending`: somebody has to approve it (again); `approved`: it is left half done, and gone on
    with when it is asked for again."""
    url: str | None = None
    error: str | None = None


async def publish(ctx: JobContext, suggestion: UUID, pace: Pace | None = None) -> Outcome:
    """Publish what somebody has approved, or go on with what was left half done.

    Raises `NotFoundError`; `ConflictError` where it is not approved (any more), or a sample;
    `BusyError`; and `GitHubError` where it is not known whether it is there: ask again.
    """
    async with github_session(ctx, pace or _pace(ctx)) as session:
        return await Publisher(ctx, session).publish(suggestion, automatic=False)


async def publish_ready(
    ctx: JobContext, project: UUID | None = None, pace: Pace | None = None
) -> list[Outcome]:
    """Publish what auto_publish has approved, and go on with what was left half done.

    Of one project, or of all. What nobody has approved is held against the schedule file and the
    switch again. None of them stops the others.
    """
    async with ctx.db.transaction() as connection:
        await expire(connection, ctx.now())
        ready = await outbox.ready(connection, project, MOST_READY)
    outcomes: list[Outcome] = []
    if not ready:
        return outcomes
    async with github_session(ctx, pace or _pace(ctx)) as session:
        publisher = Publisher(ctx, session)
        for suggestion in ready:
            try:
                outcomes.append(await publisher.publish(suggestion, automatic=True))
            except (NotFoundError, ConflictError, BusyError) as error:
                ctx.log.info("not_published", suggestion=str(suggestion), why=str(error))
            except GitHubError as error:
                ctx.log.warning("publishing_left", suggestion=str(suggestion), why=str(error))
                outcomes.append(Outcome(suggestion, "approved", error=str(error)))
    return outcomes


def _pace(ctx: JobContext) -> Pace:
    return Pace(most_wait=60, seconds_left=ctx.seconds_left)


@dataclass(frozen=True, slots=True)
class Publisher:
    """Publishes for one run."""

    ctx: JobContext
    session: Session

    async def publish(self, suggestion: UUID, *, automatic: bool) -> Outcome:
        begun = await self._begin(suggestion, automatic=automatic)
        if isinstance(begun, Outcome):
            return begun
        problem = self._problem(begun)
        if problem is not None:
            return await self._fail(begun, problem)
        if begun.is_todo:
            return await self._set_sent(begun) or await self._add_todo(begun)
        assert begun.full_name is not None  # noqa: S101 - a problem otherwise
        try:
            credential = await self.session.tokens.for_writing(
                begun.own_token,
                use_global=begun.use_global,
                full_name=begun.full_name,
                installation=begun.installation,
            )
        except TokenError as error:
            return await self._fail(begun, str(error))
        return await self._write(
            begun, Writer(self.session.client, credential, begun.full_name, Budget(REQUESTS))
        )

    async def _begin(self, suggestion: UUID, *, automatic: bool) -> Task | Outcome:
        """Use the approval up, or take over what was begun."""
        ctx, now = self.ctx, self.ctx.now()
        async with ctx.db.transaction() as connection:
            await expire(connection, now)
            ended = await outbox.ended_by(connection, suggestion, ctx.run_id)
            if ended is not None:
                return Outcome(suggestion, ended.status, ended.url, ended.error)
            task, begun = await outbox.take(
                connection,
                suggestion,
                ctx.run_id,
                now,
                automatic=automatic,
                api_url=ctx.services.github.api_url,
            )
            if not begun:
                held = await task.held(connection, ctx.policy.auto_publish, now)
                if held is not None:
                    await outbox.give_back(connection, task, held, now)
                    return Outcome(task.id, "pending", error=held)
                await outbox.begin(connection, task, ctx.run_id, now)
        return task

    def _problem(self, task: Task) -> str | None:
        """Why it cannot be published where it was to be."""
        if not task.has_project:
            return "its project is no longer there"
        if task.is_todo:
            return why_no_todo(self.ctx.tables)
        approved_for = str(task.action["repository"])
        if task.full_name is None:
            return f"the project has no repository any more; it was approved for {approved_for}"
        if task.full_name.casefold() != approved_for.casefold():
            return f"the project's repository is {task.full_name} now, not {approved_for}"
        if task.moved_to is not None:
            return f"{approved_for} has moved to {task.moved_to}: change the project's repository"
        return None

    async def _write(self, task: Task, writer: Writer) -> Outcome:
        """Raises `GitHubError` where it is not known whether it is there."""
        if task.sent_at is not None:
            try:
                there, url = await self._look(task, writer, task.sent_at)
            except GitHubError as error:
                why = str(error)
                if isinstance(error, RefusedError):
                    why = writer.in_words(error, task.action)
                why = f"it cannot be seen whether it is there already: {why}"
                if task.is_stale(self.ctx.now()):
                    return await self._give_back(task, why)
                raise GitHubError(why) from error
            if there:
                return await self._done(task, url)
        held = await self._set_sent(task)
        if held is not None:
            return held
        try:
            url = await writer.send(task.action, task.title, f"{task.mark}\n\n{task.body}")
        except RefusedError as error:
            return await self._fail(task, writer.in_words(error, task.action))
        return await self._done(task, url)

    async def _look(self, task: Task, writer: Writer, sent_at: datetime) -> tuple[bool, str | None]:
        """Whether it is there; not before GitHub has had the time to show it."""
        there, url = await writer.find(task.action, task.mark, task.begun_at)
        wait = (sent_at + LAG - self.ctx.now()).total_seconds()
        if there or wait <= 0:
            return there, url
        await self.session.client.pace.sleep(wait)
        return await writer.find(task.action, task.mark, task.begun_at)

    async def _set_sent(self, task: Task) -> Outcome | None:
        """It leaves now, unless something has come between since it was approved."""
        ctx, now = self.ctx, self.ctx.now()
        async with ctx.db.transaction() as connection:
            held = await task.held(connection, ctx.policy.auto_publish, now)
            if task.is_stale(now):
                held = "it was approved too long ago"
            if held is None:
                await outbox.set_sent(connection, task, ctx.run_id, now)
                return None
            await outbox.give_back(connection, task, held, now)
        return Outcome(task.id, "pending", error=held)

    async def _add_todo(self, task: Task) -> Outcome:
        now = self.ctx.now()
        try:
            async with self.ctx.db.transaction() as connection:
                await add_todo(
                    connection,
                    self.ctx.tables,
                    todo=task.marker,
                    project=task.project,
                    title=task.title,
                    body=task.body,
                    action=task.action,
                    now=now,
                )
                await outbox.set_published(connection, task, None, now)
        except (asyncpg.IntegrityConstraintViolationError, asyncpg.DataError) as error:
            return await self._fail(task, f"the product does not take it: {error}")
        return Outcome(task.id, "published")

    async def _done(self, task: Task, url: str | None) -> Outcome:
        async with self.ctx.db.transaction() as connection:
            await outbox.set_published(connection, task, url, self.ctx.now())
        self.ctx.log.info("published", suggestion=str(task.id), url=url)
        return Outcome(task.id, "published", url)

    async def _fail(self, task: Task, why: str) -> Outcome:
        async with self.ctx.db.transaction() as connection:
            await outbox.set_failed(connection, task, why, self.ctx.now())
        self.ctx.log.warning("publish_failed", suggestion=str(task.id), why=why)
        return Outcome(task.id, "publish_failed", error=why)

    async def _give_back(self, task: Task, why: str) -> Outcome:
        async with self.ctx.db.transaction() as connection:
            await outbox.give_back(connection, task, why, self.ctx.now())
        return Outcome(task.id, "pending", error=why)
