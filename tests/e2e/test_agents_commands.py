"""`lamplighter agents dry-run` and `eval`, as a user calls them."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from agents.evaluation.loading import SHIPPED
from tests.support.agent_shop import REPOSITORY, AgentShop
from tests.support.daemon import Output, command
from tests.support.jobs import product
from tests.support.openai_answers import obeying, sensible
from tests.support.openai_server import ModelDouble, model_double

pytestmark = pytest.mark.timeout(120)

CASES = SHIPPED / "designer"


@pytest.fixture
async def double() -> AsyncIterator[ModelDouble]:
    async with model_double(key=None) as made:
        yield made


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "config.yaml").write_text(
        "jobs: {}\nagents: {prices: {tiny: {input: 1, output: 2}}}\n", encoding="utf-8"
    )
    return tmp_path


async def evaluate(folder: Path, double: ModelDouble, *options: str, model: str) -> Output:
    return await command(
        *("agents", "eval", *options),
        cwd=folder,
        OPENAI_BASE_URL=double.url,
        OPENAI_MODEL=model,
    )


def is_clean(output: Output) -> bool:
    return "Traceback" not in output.out + output.err


async def test_a_test_double_has_no_quality(folder: Path, double: ModelDouble) -> None:
    double.says = obeying
    said = await evaluate(folder, double, model="test-double")
    assert said.code == 0, said.err
    assert "there are no figures of quality" in said.out
    words = ("precision", "rightly", "wrongly", "tokens", "cost", "silence")
    assert not any(word in said.out for word in words)
    told = json.loads((await evaluate(folder, double, "--json", model="test-double")).out)
    assert "no figures of quality" in told["note"]
    assert set(told["agents"]["all"]) == {
        *("cases", "failed", "requests", "stoppedBefore", "silent", "kept", "rejected"),
        "breaches",
    }
    assert told["agents"]["all"]["cases"] == len(told["cases"]) == 40
    assert told["agents"]["all"]["requests"] == len(double.asked) / 2
    assert told["agents"]["all"]["breaches"] == 0
    assert not any({"verdict", "why", "scores"} & set(case) for case in told["cases"])


async def test_a_model_is_judged(folder: Path, double: ModelDouble) -> None:
    said = await evaluate(folder, double, str(CASES), model="tiny")
    assert said.code == 0, said.err
    assert "precision" in said.out
    assert "silent_colour_is_taste: spoke wrongly" in said.out
    assert "expected: Which of two colours" in said.out
    told: Any = json.loads((await evaluate(folder, double, str(CASES), "--json", model="tiny")).out)
    assert told["note"] is None
    whole = told["agents"]["designer"]
    assert (whole["spokeRightly"], whole["spokeWrongly"], whole["quietWrongly"]) == (5, 3, 0)
    assert (whole["precision"], whole["silenceRate"]) == (0.625, 0)
    assert 0 < whole["costUsd"] < 0.1
    assert whole["tokens"] > 1000


async def test_what_goes_wrong_is_said(folder: Path, double: ModelDouble) -> None:
    dear = await evaluate(folder, double, str(CASES), "--max-cost", "0.001", model="dear")
    assert (dear.code, is_clean(dear), double.asked) == (1, True, [])
    assert "the cost cap of $0.001 is reached" in dear.out
    assert "config.yaml has no price for dear" in dear.out
    nowhere = await evaluate(folder, double, "nowhere", model="tiny")
    assert (nowhere.code, is_clean(nowhere)) == (2, True)
    empty = await evaluate(folder, double, ".", model="tiny")
    assert (empty.code, is_clean(empty)) == (1, True)
    assert "config.yaml: agent: Field required" in empty.err
    none = await command("agents", "eval", cwd=folder)
    assert (none.code, is_clean(none)) == (1, True)
    assert "set OPENAI_API_KEY, or OPENAI_BASE_URL" in none.err
    helped = await command("agents", "eval", "--help", cwd=folder)
    assert (helped.code, "--max-cost" in helped.out) == (0, True)


async def test_a_dry_run(database: str, folder: Path, double: ModelDouble) -> None:
    double.says = sensible
    async with product(database) as made:
        shop = AgentShop(made)
        project = await shop.project()
        await shop.pull(project, 11)

        async def dry(*options: str, **values: str) -> Output:
            return await command(
                *("agents", "dry-run", *options), cwd=folder, DATABASE_URL=database, **values
            )

        model = {"OPENAI_BASE_URL": double.url, "OPENAI_MODEL": "tiny"}
        said = await dry(REPOSITORY, "--prompts", **model)
        assert said.code == 0, said.err
        assert "Worth saying" in said.out
        assert "developer would suggest (pr_review, confidence 0.90, pull:11)" in said.out
        assert "skipped: there is nothing of its kind" in said.out
        told = json.loads((await dry(str(project), "--agent", "developer", "--json", **model)).out)
        [one] = told["agents"]
        assert (one["agent"], one["items"], one["requests"]) == ("developer", ["pull:11"], 2)
        assert one["suggestions"][0]["action"]["type"] == "review"
        assert one["costUsd"] > 0
        assert "prompts" not in one

        without = await dry(REPOSITORY)
        assert (without.code, is_clean(without)) == (1, True)
        assert "would be asked" in without.out
        assert "set OPENAI_API_KEY, or OPENAI_BASE_URL" in without.err
        unknown = await dry("octocat/nothing", **model)
        assert (unknown.code, is_clean(unknown)) == (1, True)
        assert "there is no project" in unknown.err
        nobody = await dry(REPOSITORY, "--agent", "poet", **model)
        assert (nobody.code, is_clean(nobody)) == (2, True)
        assert "there is no agent 'poet'" in nobody.err
        assert await made.pool.fetchval("SELECT count(*) FROM lamplighter.model_spending") == 0
        assert await made.pool.fetchval("SELECT count(*) FROM lamplighter.suggestions") == 0
