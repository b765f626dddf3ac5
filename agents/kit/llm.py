"""How is a model asked a question, and its answer made sure of?

Every answer is held against a pydantic model. Endpoints differ in what they know of that, so there
is a ladder: a strict JSON schema, a JSON object, JSON in a fence. An answer that does not fit is
sent back once, with what is wrong with it. Every request is paid for, so every request counts.
"""

from __future__ import annotations

import asyncio
import json
import random
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from time import monotonic
from uuid import UUID

from pydantic import BaseModel, ValidationError

from agents.kit.answer import (
    Completion,
    NotJsonError,
    Output,
    problems_of,
    read_answer,
    read_completion,
)
from agents.kit.errors import (
    NotConfiguredError,
    RefusedAnswerError,
    UnreachableModelError,
    UnusableAnswerError,
)
from agents.kit.reply import (
    Fate,
    NoReplyError,
    Reply,
    TooLongReplyError,
    fate_of,
    refusal_of,
    seconds_to_retry,
)
from agents.kit.request import Body, Question, Step, asked_again, body_of
from agents.kit.spending import Look, Spending, Usage, likely_tokens, most_tokens
from agents.kit.till import MARGIN, Till
from agents.kit.wire import ONE_REQUEST, Wire, wire_to
from scheduler.job import JobContext
from scheduler.meter import Service

__all__ = ("Look", "OpenModel", "Pace", "Question", "Usage", "open_model")

TRIES = 3
"""For what may pass: a limit, an error of the endpoint's own, a cut connection."""
IN_VAIN = 3
"""Projects for which nothing came back, one after the other: it is not one project's text. Then the
rest of a batch does not wait for it too."""
FRAME = 64
"""Tokens that a request has around its texts."""
LETTERS = 20
"""Characters for each token allowed: a longer answer is not looked at."""


@dataclass
class Pace:
    """What bounds the waiting; tests make it faster."""

    backoff: float = 1.0
    """Seconds before the second try; doubled for the third, plus up to as much by chance."""
    most_wait: float = 60.0
    """Seconds that an endpoint may ask to wait."""
    one_request: float = ONE_REQUEST
    clock: Callable[[], float] = monotonic
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep


@dataclass
class _Ways:
    """What an endpoint takes of one model, as far as this run has found out."""

    step: Step = Step.SCHEMA
    limit: str = "max_completion_tokens"
    in_vain: set[UUID] = field(default_factory=set)
    """Projects for which it was last asked in vain, with no answer to any since."""


@dataclass
class OpenModel:
    """A way to ask, for one run."""

    ctx: JobContext
    wire: Wire
    spending: Spending
    pace: Pace
    _ways: dict[str, _Ways] = field(default_factory=dict)
    _free_at: float = 0.0
    """The endpoint has asked for quiet until then."""
    answered: bool = False
    """Whether anything was."""
    unreachable: str | None = None
    """Why something was not, the last time."""

    def __post_init__(self) -> None:
        self._room = asyncio.Semaphore(self.ctx.policy.caps.max_concurrent_calls)
        self._till = Till(self.ctx, self.spending)

    async def ask(self, question: Question, output: type[Output], look: Look) -> Output:
        """Raises `ModelError`. What it has cost is in `look.usage` then, too."""
        user, problems = question.user, ""
        for _ in range(2):
            try:
                text = await self._text(question, user, output, look)
            except UnreachableModelError as error:
                self.unreachable = str(error)
                raise
            try:
                return read_answer(text, output)
            except (NotJsonError, ValidationError) as error:
                problems = problems_of(error)
            self.ctx.log.info("model_answer_unusable", purpose=question.purpose, model=look.model)
            user = asked_again(question.user, text, problems, output)
        raise UnusableAnswerError(f"the model's answer could not be used, twice: {problems}")

    async def _text(
        self, question: Question, user: str, output: type[BaseModel], look: Look
    ) -> str:
        """One answer, on the step of the ladder that the endpoint knows. Raises `ModelError`."""
        ways = self._ways.setdefault(look.model, _Ways())
        while True:
            step, limit = ways.step, ways.limit
            body = body_of(question.system, user, output, look.model, step)
            reply, allowed = await self._reply(ways, body, limit, question, look)
            fate = fate_of(reply)
            if fate is Fate.ANSWERED:
                ways.in_vain.clear()
                self.answered = True
                return _text_of(read_completion(reply.body), allowed)
            # Another question may have found the way meanwhile, and gone further.
            if fate is Fate.LIMIT and limit == "max_completion_tokens":
                ways.limit = "max_tokens"
            elif fate is Fate.FORMAT and step < Step.FENCE:
                ways.step = max(ways.step, Step(step + 1))
            else:
                raise refusal_of(reply, look.model)
            self.ctx.log.info(
                "model_asked_otherwise",
                model=look.model,
                format=ways.step.name.lower(),
                limit=ways.limit,
            )

    async def _reply(
        self, ways: _Ways, body: Body, limit: str, question: Question, look: Look
    ) -> tuple[Reply, int]:
        """The reply to a request, after all its tries, and how long the answer could be."""
        failures, purpose = 0, question.purpose
        while True:
            await self._wait_until(self._free_at)
            async with self._room:
                if len(ways.in_vain) >= IN_VAIN:
                    raise UnreachableModelError(
                        f"{look.model} has not answered for {IN_VAIN} projects in a row: it is not "
                        "asked again in this run"
                    )
                if self._free_at > self.pace.clock():
                    continue  # another question has met a limit meanwhile
                try:
                    reply, allowed = await self._once(purpose, body, limit, question, look)
                    why = f"status {reply.status}"
                except NoReplyError as error:
                    reply, why = None, str(error)
            if reply is not None and fate_of(reply) is not Fate.AGAIN:
                return reply, allowed
            failures += 1
            if failures >= TRIES:
                ways.in_vain.add(look.project_id)
                raise UnreachableModelError(f"the model does not answer ({why}, {failures} tries)")
            wait = self.pace.backoff * 2 ** (failures - 1) * (1 + random.random())  # noqa: S311
            told = None if reply is None else seconds_to_retry(reply.headers)
            until = self.pace.clock() + max(wait, told or 0.0)
            if reply is not None and reply.status == 429:
                self._free_at = max(self._free_at, until)
            self.ctx.log.info("model_retry", purpose=purpose, model=look.model, why=why)
            await self._wait_until(until)

    async def _once(
        self, purpose: str, body: Body, limit: str, question: Question, look: Look
    ) -> tuple[Reply, int]:
        """One request, paid for. Raises `NoReplyError` for what may pass, else `ModelError`."""
        prompt = "".join(message["content"] for message in body["messages"])
        shape = json.dumps(body.get("response_format", ""))
        tokens_in = most_tokens(prompt) + most_tokens(shape) + FRAME
        allowed = self.spending.room(look, tokens_in, question.max_output_tokens)
        held = await self._till.reserve(look, tokens_in, allowed)
        left = self.ctx.seconds_left() - MARGIN
        began = self.pace.clock()
        # What an endpoint has done that did not answer to the end is not known: all it could have.
        read, written, guessed = tokens_in, allowed, True
        status: int | None = None
        try:
            reply = await self.wire.send({**body, limit: allowed}, min(left, self.pace.one_request))
            status = reply.status
            read, written, guessed = _used(reply, prompt + shape, tokens_in, allowed)
            return reply, allowed
        except TooLongReplyError as error:
            raise UnusableAnswerError(f"the model's answer is far too long: {error}") from None
        except NoReplyError as error:
            if not error.sent:
                read, written, guessed = 0, 0, False
            raise
        finally:
            cost = await self._till.settle(held, read, written, estimated=guessed)
            self.ctx.services.meter.ended(Service.MODEL, status)
            self.ctx.services.meter.used(look.model, look.agent, read, written, cost)
            self.ctx.log.info(
                "model_asked",
                purpose=purpose,
                model=look.model,
                status="none" if status is None else str(status),
                tokens_in=read,
                tokens_out=written,
                estimated=guessed,
                cost_usd=float(cost),
                seconds=round(self.pace.clock() - began, 3),
            )

    async def _wait_until(self, at: float) -> None:
        wait = at - self.pace.clock()
        if wait <= 0:
            return
        if wait > self.pace.most_wait:
            raise UnreachableModelError(f"the model's endpoint wants {wait:.0f} s of quiet")
        if wait > self.ctx.seconds_left() - MARGIN:
            raise UnreachableModelError("the model's endpoint wants more quiet than this run has")
        await self.pace.sleep(wait)


@asynccontextmanager
async def open_model(ctx: JobContext, pace: Pace | None = None) -> AsyncIterator[OpenModel]:
    """For one run. Raises `NotConfiguredError` where there is no model."""
    spending = Spending(ctx)
    await spending.begin()
    if ctx.services.model is None:
        raise NotConfiguredError("llm not configured: set OPENAI_API_KEY, or OPENAI_BASE_URL")
    async with wire_to(ctx.services.model, ctx.policy.caps.max_concurrent_calls) as wire:
        model = OpenModel(ctx, wire, spending, pace or Pace())
        yield model
    if model.answered:
        await spending.say_whether_it_answers(None)
    elif model.unreachable is not None:
        await spending.say_whether_it_answers(model.unreachable)


def _text_of(completion: Completion | None, allowed: int) -> str:
    """Raises `ModelError` where there is none."""
    if completion is None:
        raise UnreachableModelError(
            "what answers is no chat completion: OPENAI_BASE_URL may not be a model's endpoint"
        )
    message, reason = completion.first.message, completion.first.finish_reason
    if message.refusal or reason == "content_filter":
        raise RefusedAnswerError("the model refuses to answer")
    if reason == "length":
        raise UnusableAnswerError(f"the model's answer was cut off at {allowed} tokens")
    text = message.content or ""
    if len(text) > LETTERS * max(allowed, 1_000):
        raise UnusableAnswerError(
            f"the model's answer is far too long: {len(text)} characters for {allowed} tokens"
        )
    return text


def _used(reply: Reply, prompt: str, most_in: int, most_out: int) -> tuple[int, int, bool]:
    """Tokens read and written, and whether that is a guess."""
    if fate_of(reply) is not Fate.ANSWERED:
        return 0, 0, False  # nobody asks money for an error
    completion = read_completion(reply.body)
    if completion is None:
        return most_in, most_out, True
    told, text = completion.usage, completion.first.message.content or ""
    read, written = told.prompt_tokens, told.completion_tokens
    return (
        likely_tokens(prompt) if read is None else read,
        likely_tokens(text) if written is None else written,
        read is None or written is None,
    )
