from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from agents.kit.agent import Proposal
from agents.kit.llm import Question, open_model
from agents.kit.schema import strict_schema
from scheduler.services import Model
from tests.agents.kit.conftest import MODEL, Desk
from tests.support.openai_protocol import RefusedRequest, check_request

ROOT = Path(__file__).parents[3]
ASKED: dict[str, Any] = {
    "model": "m",
    "messages": [
        {"role": "system", "content": "You are helpful."},
        {"role": "user", "content": "Hello"},
    ],
    "max_completion_tokens": 5,
}


def form(schema: Any) -> dict[str, Any]:
    inner = {"name": "x", "strict": True, "schema": schema}
    return {"response_format": {"type": "json_schema", "json_schema": inner}}


def test_it_takes_what_the_protocol_lets() -> None:
    check_request(ASKED)
    check_request({**ASKED, **form(strict_schema(Proposal))})


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"temperature": 0}, "'temperature' does not support"),
        ({"format": "json"}, "Unrecognized request argument supplied: format"),
        ({"model": None}, "Missing required parameter: 'model'"),
        ({"max_tokens": 5}, "cannot both be set"),
        ({"max_completion_tokens": 0}, "Invalid value"),
        ({"messages": [{"role": "robot", "content": "x"}]}, "robot"),
        ({"response_format": {"type": "json_object"}}, "must contain the word 'json'"),
        ({"response_format": {"type": "yaml"}}, "Invalid 'response_format'"),
        (form({"type": "object", "properties": {}}), "additionalProperties"),
        (form({"type": "array", "items": {"type": "string"}}), "schema must be a JSON Schema of"),
        (
            form(
                {
                    "type": "object",
                    "additionalProperties": False,
                    "required": ["a"],
                    "properties": {"a": {"type": "string", "minLength": 5}},
                }
            ),
            "'minLength' is not permitted",
        ),
        (
            form(
                {
                    "type": "object",
                    "additionalProperties": False,
                    "required": [],
                    "properties": {"a": {"type": "string"}},
                }
            ),
            "'required' is required",
        ),
    ],
)
def test_it_refuses_what_the_protocol_does_not_let(change: dict[str, Any], words: str) -> None:
    with pytest.raises(RefusedRequest, match=words) as raised:
        check_request({**ASKED, **change})

    assert raised.value.body["error"]["type"] == "invalid_request_error"


@pytest.fixture
def process(tmp_path: Path) -> Iterator[tuple[str, Path]]:
    log = tmp_path / "asked.jsonl"
    command = [sys.executable, "-m", "tests.support.openai_server", "--log", str(log)]
    running = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=ROOT)
    assert running.stdout is not None
    yield running.stdout.readline().strip(), log
    running.kill()
    running.communicate()


async def test_it_can_be_a_process_of_its_own(desk: Desk, process: tuple[str, Path]) -> None:
    url, log = process
    question = Question("test", "You are helpful.", "What of pull:12 and issue:7?", 2_000)

    async with open_model(desk.context(model=Model(MODEL, None, url))) as model:
        proposal = await model.ask(question, Proposal, desk.look())

    assert proposal.evidence == ["pull:12"]
    (line,) = log.read_text().splitlines()
    assert json.loads(line)["body"]["messages"][1]["content"] == question.user
