"""Does doctor hear whether the model's endpoint answers, takes the key, and has the model?"""

from __future__ import annotations

from pydantic import SecretStr

from agents.kit.probe import Probed, probe
from scheduler.services import Model
from tests.support.openai_server import model_double

KEY = "key-of-tests"


def at(url: str, name: str = "model-of-tests", key: str | None = KEY) -> Model:
    return Model(name, SecretStr(key) if key else None, url)


async def test_what_it_has_is_told() -> None:
    async with model_double(models=("other", "model-of-tests")) as double:
        found = await probe(at(double.url))
        assert found == Probed(True, f"{double.url} answers, and has model-of-tests")
        found = await probe(at(double.url, "gpt-0"))
        assert (found.ok, found.message) == (False, f"{double.url} has no model gpt-0")
        assert found.fix == "set OPENAI_MODEL to one that it has, such as model-of-tests, other"
        assert [one.path for one in double.asked] == ["/v1/models"] * 2


async def test_a_wrong_key_and_none() -> None:
    async with model_double() as double:
        for key in ("sk-wrong-and-secret", None):
            found = await probe(at(double.url, key=key))
            assert (found.ok, found.fix) == (False, "set OPENAI_API_KEY")
            assert "sk-wrong" not in repr(found)


async def test_an_endpoint_that_lists_none_may_have_it() -> None:
    async with model_double(models=None) as double:
        found = await probe(at(double.url))
        assert found.ok
        assert "is not known" in found.message


async def test_nobody_there_and_nothing_set() -> None:
    found = await probe(at("http://127.0.0.1:1/v1"))
    assert (found.ok, found.message) == (False, "http://127.0.0.1:1/v1: no connection")
    assert (await probe(None)).ok
