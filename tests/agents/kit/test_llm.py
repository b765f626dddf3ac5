from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import os
from collections.abc import Iterator
from dataclasses import replace
from decimal import Decimal
from typing import Annotated, Any, Literal
from uuid import UUID, uuid4

import pytest
from pydantic import BaseModel, ConfigDict, Field, SecretStr

from agents.kit.errors import (
    CapReachedError,
    ModelError,
    NotConfiguredError,
    RefusedAnswerError,
    UnreachableModelError,
    UnusableAnswerError,
)
from agents.kit.llm import Look, Pace, Question, open_model
from agents.kit.spending import ALL, cost_of
from scheduler.policy import AgentCaps
from scheduler.services import Model, Services
from tests.agents.kit.conftest import FAST, MODEL, PRICE, Desk
from tests.support.openai_answers import Request
from tests.support.openai_server import Says, error


class Idea(BaseModel):
    model_config = ConfigDict(extra="forbid")

    kind: Literal["report", "trend"]
    title: Annotated[str, Field(min_length=5, max_length=50, pattern="^[A-Z]")]
    score: Annotated[float, Field(ge=0, le=1)]
    evidence: Annotated[list[str], Field(max_length=3)]
    note: str | None


GOOD: dict[str, Any] = {
    "kind": "report",
    "title": "A title",
    "score": 0.5,
    "evidence": ["issue:1"],
    "note": None,
}
ASKED = Question("test", "You are helpful.", "What about issue:1?", 1_000)


def says(*answers: Says | str | dict[str, Any]) -> Any:
    """One answer after the other, the last for ever."""
    left = list(answers)

    def next_one(_request: Request) -> Says | str:
        answer = left.pop(0) if len(left) > 1 else left[0]
        return json.dumps(answer) if isinstance(answer, dict) else answer

    return next_one


async def ask(desk: Desk, pace: Pace = FAST, **context: Any) -> Idea:
    async with open_model(desk.context(**context), pace) as model:
        return await model.ask(ASKED, Idea, desk.look())


async def test_an_answer_comes_back_as_the_model_of_the_question(desk: Desk) -> None:
    desk.double.says = says(GOOD)

    idea = await ask(desk)

    assert idea == Idea(**GOOD)
    (asked,) = desk.double.asked
    assert [message["role"] for message in asked.body["messages"]] == ["system", "user"]
    assert asked.body.keys() == {"model", "messages", "response_format", "max_completion_tokens"}
    assert asked.form == "json_schema"


async def test_each_request_is_metered_by_model_and_agent(desk: Desk) -> None:
    used = {"prompt_tokens": 100, "completion_tokens": 20, "total_tokens": 120}
    desk.double.says = says(error(500), Says(json.dumps(GOOD), usage=used))
    context, look = desk.context(), desk.look()
    look.agent = "developer"
    async with open_model(context, FAST) as model:
        await model.ask(ASKED, Idea, look)
    meter = context.services.meter
    assert {str(ending): n for (_, ending), n in meter.requests.items()} == {"failed": 1, "ok": 1}
    usage = meter.usage[look.model, "developer"]
    assert (usage.tokens_in, usage.tokens_out) == (look.usage.tokens_in, look.usage.tokens_out)
    assert usage.cost_usd == look.usage.cost_usd > 0


async def test_what_it_cost_is_counted_and_logged_without_a_text(desk: Desk) -> None:
    used = {"prompt_tokens": 100, "completion_tokens": 20, "total_tokens": 120}
    desk.double.says = says(Says(json.dumps(GOOD), usage=used))
    look = desk.look()

    async with open_model(desk.context()) as model:
        await model.ask(ASKED, Idea, look)

    cost = Decimal("0.0003")
    assert (look.usage.calls, look.usage.tokens_in, look.usage.tokens_out) == (1, 100, 20)
    assert look.usage.cost_usd == cost
    assert not look.usage.estimated
    spent = await desk.spent()
    assert spent.keys() == {ALL, desk.project_id}
    for row in spent.values():
        assert (row["calls"], row["tokens_in"], row["tokens_out"]) == (1, 100, 20)
        assert row["cost_usd"] == cost
    ((_, _, fields),) = [line for line in desk.log.lines if line[1] == "model_asked"]
    assert fields["purpose"] == "test"
    assert (fields["tokens_in"], fields["tokens_out"], fields["cost_usd"]) == (100, 20, 0.0003)
    assert "A title" not in str(desk.log.lines)
    assert "What about" not in str(desk.log.lines)


@pytest.mark.parametrize(
    ("unknown", "forms", "limits"),
    [
        (set(), ["json_schema"], ["max_completion_tokens"]),
        ({"json_schema"}, ["json_schema", "json_object"], ["max_completion_tokens"] * 2),
        (
            {"json_schema", "json_object"},
            ["json_schema", "json_object", "text"],
            ["max_completion_tokens"] * 3,
        ),
        (
            {"max_completion_tokens"},
            ["json_schema", "json_schema"],
            ["max_completion_tokens", "max_tokens"],
        ),
        (
            {"json_schema", "json_object", "max_completion_tokens"},
            ["json_schema", "json_object", "text", "text"],
            ["max_completion_tokens"] * 3 + ["max_tokens"],
        ),
    ],
)
async def test_it_goes_down_the_ladder_and_stays_there(
    desk: Desk, unknown: set[Any], forms: list[str], limits: list[str]
) -> None:
    desk.double.unknown = frozenset(unknown)
    desk.double.says = says(f"Here you are:\n```json\n{json.dumps(GOOD, indent=1)}\n```\nYours.")

    async with open_model(desk.context(), FAST) as model:
        first = await model.ask(ASKED, Idea, desk.look())
        way = [(one.form, "max_tokens" in one.body) for one in desk.double.asked]
        desk.double.asked.clear()
        second = await model.ask(ASKED, Idea, desk.look())

    assert first == second == Idea(**GOOD)
    assert way == [(form, limit == "max_tokens") for form, limit in zip(forms, limits, strict=True)]
    assert [(one.form, "max_tokens" in one.body) for one in desk.double.asked] == way[-1:]


@pytest.mark.parametrize(
    "text",
    [
        json.dumps(GOOD),
        f"```json\n{json.dumps(GOOD)}\n```",
        f"~~~~\n{json.dumps(GOOD)}\n~~~~",
        f"Sure!\n\n```\n{json.dumps(GOOD)}\n```\n\nAnything else?",
        f"<think>\nI could say {{}}\n</think>\n{json.dumps(GOOD)}",
        f"The answer is {json.dumps(GOOD)} as you see.",
        f"\ufeff  {json.dumps(GOOD)}\n",
        f"```python\nprint(1)\n```\n```json\n{json.dumps(GOOD)}\n```",
    ],
)
async def test_json_is_found_wherever_it_stands(desk: Desk, text: str) -> None:
    desk.double.says = says(text)

    assert await ask(desk) == Idea(**GOOD)


@pytest.mark.parametrize(
    ("answer", "problem"),
    [
        ("I would rather not.", "it holds no JSON object"),
        ("", "it holds no JSON object"),
        ('{"kind": "report", "ti', "it holds no JSON object"),
        ({**GOOD, "score": 1.5}, "score: Input should be less than or equal to 1"),
        ({**GOOD, "title": "x"}, "title: String should have at least 5 characters"),
        ({**GOOD, "more": 1}, "more: Extra inputs are not permitted"),
        ({**GOOD, "kind": "order"}, "kind: Input should be 'report' or 'trend'"),
        ({**GOOD, "note": "a\x00b"}, "it holds \\u0000"),
        (json.dumps(GOOD).replace("0.5", "NaN"), "it holds no JSON object"),
        (json.dumps([GOOD, GOOD]).replace("}, {", "}"), "it holds no JSON object"),
    ],
)
async def test_an_answer_that_does_not_fit_goes_back_once(
    desk: Desk, answer: Any, problem: str
) -> None:
    desk.double.says = says(answer, GOOD)
    look = desk.look()

    async with open_model(desk.context()) as model:
        assert await model.ask(ASKED, Idea, look) == Idea(**GOOD)

    first, second = desk.double.asked
    assert problem not in first.texts()
    assert problem in second.texts()
    assert second.texts().startswith(ASKED.system)
    assert ASKED.user in second.texts()
    assert look.usage.calls == 2
    assert (await desk.spent())[ALL]["calls"] == 2


async def test_twice_is_enough_and_both_are_paid_for(desk: Desk) -> None:
    desk.double.says = says({**GOOD, "score": 7})
    look = desk.look()

    async with open_model(desk.context()) as model:
        with pytest.raises(UnusableAnswerError, match="twice: score: Input should be less"):
            await model.ask(ASKED, Idea, look)

    assert look.usage.calls == len(desk.double.asked) == 2
    assert look.usage.tokens_out == 2 * (len(json.dumps({**GOOD, "score": 7})) // 4)


@pytest.mark.parametrize(
    ("answer", "kind", "words"),
    [
        (Says(refusal="I cannot help with SECRET"), RefusedAnswerError, "the model refuses"),
        (Says("x", finish_reason="content_filter"), RefusedAnswerError, "refuses"),
        (error(400, "The response was filtered", "content_filter"), RefusedAnswerError, "filter"),
        (Says('{"kind"', finish_reason="length"), UnusableAnswerError, "cut off at 1000 tokens"),
        (Says("x" * 100_000), UnusableAnswerError, "far too long: 100000 characters"),
        (Says(endless=True), UnusableAnswerError, "far too long: over 4 MiB"),
        (error(401, "Incorrect key sk-SECRET"), UnreachableModelError, "OPENAI_API_KEY"),
        (error(404, "The model `x` SECRET"), UnreachableModelError, "knows no model gpt-5-mini"),
        (error(400, "SECRET"), UnreachableModelError, "400: the endpoint refuses the request"),
        (error(400, "SECRET", "context_length_exceeded"), ModelError, "too long for gpt-5-mini"),
        (error(429, "SECRET", "insufficient_quota"), UnreachableModelError, "quota of the account"),
        (
            Says(status=302, body=b"", headers={"Location": "http://127.0.0.1:1/"}),
            UnreachableModelError,
            "another address",
        ),
        (Says(body=b"<html>hello"), UnreachableModelError, "no chat completion"),
        (Says(body=b"[]"), UnreachableModelError, "no chat completion"),
    ],
)
async def test_what_is_no_answer_says_why_and_is_not_tried_again(
    desk: Desk, answer: Says, kind: type[ModelError], words: str
) -> None:
    desk.double.says = says(answer)

    with pytest.raises(kind, match=words) as raised:
        await ask(desk)

    assert "SECRET" not in str(raised.value)
    assert len(desk.double.asked) == 1


@pytest.mark.parametrize(
    "failure",
    [
        error(429, "slow down"),
        error(500),
        error(503),
        error(408),
        Says(cut=True),
        Says(status=502, body=b"<html>Bad gateway"),
    ],
)
async def test_what_may_pass_is_tried_again_within_bounds(desk: Desk, failure: Says) -> None:
    desk.double.says = says(failure, failure, GOOD)
    assert await ask(desk) == Idea(**GOOD)
    assert len(desk.double.asked) == 3

    desk.double.says = says(failure)
    desk.double.asked.clear()
    with pytest.raises(UnreachableModelError, match="3 tries"):
        await ask(desk)
    assert len(desk.double.asked) == 3


async def test_an_endpoint_that_is_down_does_not_hold_up_the_rest_of_a_batch(desk: Desk) -> None:
    desk.double.says = says(error(503))
    async with open_model(desk.context(), FAST) as model:

        async def ask_for(project: UUID, name: str = MODEL) -> str:
            with pytest.raises(UnreachableModelError) as raised:
                await model.ask(ASKED, Idea, Look(project, name, 50_000))
            return str(raised.value)

        one = uuid4()
        for _ in range(4):
            assert "3 tries" in await ask_for(one), "one project's text may be what it cannot take"
        desk.double.says = says(GOOD)
        await model.ask(ASKED, Idea, Look(uuid4(), MODEL, 50_000))
        desk.double.says = says(error(503))
        for project in (one, uuid4(), uuid4()):
            assert "3 tries" in await ask_for(project)
        before = len(desk.double.asked)
        assert "has not answered for 3 projects in a row" in await ask_for(uuid4())
        assert len(desk.double.asked) == before
        assert "3 tries" in await ask_for(uuid4(), "another-model")


async def test_a_slow_answer_is_given_up_and_counts_as_the_dearest(desk: Desk) -> None:
    desk.double.says = says(Says("{}", slow=30))
    look = desk.look()

    async with open_model(desk.context(), Pace(backoff=0.001, one_request=0.2)) as model:
        with pytest.raises(UnreachableModelError, match="no answer in time, 3 tries"):
            await asyncio.wait_for(model.ask(ASKED, Idea, look), 10)

    assert look.usage.calls == 3
    assert look.usage.tokens_out == 3 * ASKED.max_output_tokens
    assert look.usage.estimated


async def test_errors_cost_nothing_and_nobody_there_costs_nothing(desk: Desk) -> None:
    desk.double.says = says(error(500))
    look = desk.look()
    nobody = Model(MODEL, None, "http://127.0.0.1:9/v1")

    async with open_model(desk.context(), FAST) as model:
        with pytest.raises(UnreachableModelError):
            await model.ask(ASKED, Idea, look)
    async with open_model(desk.context(model=nobody), FAST) as model:
        with pytest.raises(UnreachableModelError, match="no connection"):
            await model.ask(ASKED, Idea, look)

    assert (look.usage.calls, look.usage.tokens_in) == (6, 0)
    assert look.usage.cost_usd == 0
    assert (await desk.spent())[ALL]["cost_usd"] == 0


async def test_retry_after_is_obeyed_by_all_questions_of_the_run(desk: Desk) -> None:
    desk.double.says = says(error(429, **{"Retry-After": "7"}), GOOD)
    waits: list[float] = []
    clock = [100.0]

    async def sleep(seconds: float) -> None:
        waits.append(seconds)
        clock[0] += seconds

    pace = Pace(backoff=0.001, clock=lambda: clock[0], sleep=sleep)
    assert await ask(desk, pace) == Idea(**GOOD)

    assert waits == [7.0]


@pytest.mark.parametrize(("told", "left"), [("3600", 100_000.0), ("20", 24.0)])
async def test_too_long_a_wait_is_not_waited_for(desk: Desk, told: str, left: float) -> None:
    desk.double.says = says(error(429, **{"Retry-After": told}))

    with pytest.raises(UnreachableModelError, match="quiet"):
        await ask(desk, seconds_left=lambda: left)

    assert len(desk.double.asked) == 1


async def test_near_the_end_of_the_run_nothing_is_asked(desk: Desk) -> None:
    with pytest.raises(UnreachableModelError, match="time is nearly over"):
        await ask(desk, seconds_left=lambda: 5.5)

    assert desk.double.asked == []
    assert await desk.spent() == {}


@pytest.mark.parametrize(
    "usage", [None, {}, [], {"prompt_tokens": -5, "completion_tokens": "many"}, 7]
)
async def test_without_usage_it_is_estimated_and_said_so(desk: Desk, usage: Any) -> None:
    desk.double.says = says(Says(json.dumps(GOOD), usage=usage))
    look = desk.look()

    async with open_model(desk.context()) as model:
        await model.ask(ASKED, Idea, look)

    assert look.usage.estimated
    assert look.usage.tokens_out == (len(json.dumps(GOOD)) + 2) // 3
    assert look.usage.tokens_in > len(ASKED.user + ASKED.system) // 3
    assert (await desk.spent())[ALL]["cost_usd"] == cost_of(
        PRICE, look.usage.tokens_in, look.usage.tokens_out
    )


async def test_no_more_requests_at_a_time_than_the_policy_lets(desk: Desk) -> None:
    desk.double.says = says(GOOD)
    desk.double.takes = 0.05

    async with open_model(desk.context(caps=AgentCaps(max_concurrent_calls=3))) as model:
        await asyncio.gather(*(model.ask(ASKED, Idea, desk.look()) for _ in range(12)))

    assert desk.double.most_at_once == 3


async def test_room_that_others_under_way_hold_is_waited_for(desk: Desk) -> None:
    """What a request can cost is far more than it does: a cap is not reached by that."""
    used = {"prompt_tokens": 10, "completion_tokens": 10}
    desk.double.says = says(Says(json.dumps(GOOD), usage=used, slow=0.02))
    for cap in ("run_cost_cap_usd", "daily_cost_cap_usd", "project_daily_cost_cap_usd"):
        context = desk.context(caps=AgentCaps.model_validate({cap: 0.025}))
        async with open_model(context, FAST) as model:
            await asyncio.gather(*(model.ask(ASKED, Idea, desk.look()) for _ in range(12)))
    assert len(desk.double.asked) == 36
    assert await desk.conditions() == {}
    async with open_model(desk.context(caps=AgentCaps(daily_cost_cap_usd=0.01)), FAST) as model:
        answers = await asyncio.gather(
            *(model.ask(ASKED, Idea, desk.look()) for _ in range(12)), return_exceptions=True
        )
    assert {type(one) for one in answers} == {CapReachedError}
    assert (await desk.conditions()).keys() == {"agents"}


async def test_without_a_model_nothing_is_pretended(desk: Desk) -> None:
    ctx = desk.context()
    object.__setattr__(ctx, "services", Services())

    with pytest.raises(NotConfiguredError, match="llm not configured"):
        async with open_model(ctx):
            pytest.fail("opened")


async def test_an_endpoint_may_want_no_key(desk: Desk) -> None:
    desk.double.key = None
    desk.double.says = says(GOOD)

    assert await ask(desk, model=Model(MODEL, None, desk.double.url)) == Idea(**GOOD)
    assert "authorization" not in desk.double.asked[0].headers


HOSTILE_ENVIRONMENT = {
    "OPENAI_API_KEY": "sk-canary-key",
    "OPENAI_ADMIN_KEY": "sk-canary-admin",
    "OPENAI_ORG_ID": "canary-org",
    "OPENAI_PROJECT_ID": "canary-project",
    "OPENAI_BASE_URL": "http://127.0.0.1:1/canary",
    "OPENAI_CUSTOM_HEADERS": "X-Canary: canary-header\nAuthorization: Bearer canary-bearer",
    "OPENAI_LOG": "debug",
    "HTTP_PROXY": "http://127.0.0.1:1",
    "ALL_PROXY": "http://127.0.0.1:1",
}


@pytest.fixture
def hostile_environment() -> Iterator[None]:
    before = dict(os.environ)
    os.environ.update(HOSTILE_ENVIRONMENT)
    yield
    os.environ.clear()
    os.environ.update(before)


@pytest.mark.parametrize("key", ["key-of-tests", None])
async def test_nothing_of_the_environment_reaches_the_endpoint(
    desk: Desk, hostile_environment: None, key: str | None
) -> None:
    desk.double.key = key
    desk.double.says = says(GOOD)
    secret = None if key is None else SecretStr(key)

    assert await ask(desk, model=Model(MODEL, secret, desk.double.url)) == Idea(**GOOD)

    (asked,) = desk.double.asked
    assert "canary" not in str(asked)
    assert asked.headers.keys() <= {
        "host",
        "content-type",
        "content-length",
        "accept",
        "accept-encoding",
        "connection",
        "user-agent",
        "authorization",
    }


async def test_the_key_stands_in_no_error_and_no_line_of_any_log(
    desk: Desk, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    for answer in (error(401, "key-of-tests"), error(400, "key-of-tests"), Says(cut=True)):
        desk.double.says = says(answer)
        ctx = desk.context()
        async with open_model(ctx, FAST) as model:
            with pytest.raises(ModelError) as raised:
                await model.ask(ASKED, Idea, desk.look())
            assert "key-of-tests" not in repr(model)
        assert "key-of-tests" not in repr(raised.value)
        assert "key-of-tests" not in repr(raised.value.__cause__)
    assert "key-of-tests" not in caplog.text
    assert "What about" not in caplog.text
    assert "key-of-tests" not in str(desk.log.lines)


async def test_an_answer_in_another_encoding_is_not_unpacked(desk: Desk) -> None:
    desk.double.says = says(Says(body=b"\x1f\x8b", headers={"Content-Encoding": "gzip"}))

    with pytest.raises(UnreachableModelError, match="encoding that was not asked for"):
        await ask(desk)


async def test_health_says_that_the_model_does_not_answer_until_it_does(desk: Desk) -> None:
    async def run(double_says: Any) -> None:
        desk.double.says = double_says
        async with open_model(desk.context(), FAST) as model:
            for _ in range(2):
                with contextlib.suppress(ModelError):
                    await model.ask(ASKED, Idea, desk.look())

    await run(says(error(401, "Incorrect API key provided: sk-canary", "invalid_api_key")))
    said = {"model": "401: the endpoint does not accept OPENAI_API_KEY (invalid_api_key)"}
    assert await desk.conditions() == said
    async with open_model(desk.context()):
        pass  # nothing was to be asked
    assert await desk.conditions() == said
    await run(says(error(503), error(503), error(503), GOOD))
    assert await desk.conditions() == {}, "it has answered something"
    await run(says(error(503)))
    assert await desk.conditions() == {"model": "the model does not answer (status 503, 3 tries)"}
    with pytest.raises(NotConfiguredError):
        async with open_model(replace(desk.context(), services=Services())):
            pass
    assert await desk.conditions() == {}, "there is none any more"
