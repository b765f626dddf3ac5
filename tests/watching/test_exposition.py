"""Is a large scrape whole, and does it let others come between?"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

import pytest
from prometheus_client.openmetrics.parser import text_string_to_metric_families as openmetrics
from prometheus_client.parser import text_string_to_metric_families as prometheus

from scheduler.watching.counts import Histogram
from scheduler.watching.exposition import (
    AT_ONCE,
    Family,
    counters,
    gauge,
    gauges,
    histograms,
    info,
    write,
)

OPENMETRICS = "application/openmetrics-text; version=1.0.0"
HOSTILE = 'a"b\\c\nlamplighter_forged 1\n# EOF\n\u2028\r# x'


def seen(n: int) -> Histogram:
    made = Histogram((0.1, 1.0))
    for value in range(n % 5):
        made.add(value)
    return made


def families(many: int) -> Iterator[Family]:
    yield info("x_build", "What.", {"version": "1"})
    yield gauges("x_gauge", "A gauge.", ("name",), (((f"n{n}",), n) for n in range(many)))
    yield gauges("x_none", "Nothing of it is known.", ("name",), ())
    yield counters(
        "x_counter", "A\ncounter \\ of", ("name",), (((HOSTILE + str(n),), n) for n in range(many))
    )
    yield histograms("x_histogram", "H.", ("name",), (((f"n{n}",), seen(n)) for n in range(many)))
    yield gauge("x_last", "The last.", 7)


@pytest.mark.parametrize("many", [0, 1, AT_ONCE - 1, AT_ONCE, AT_ONCE + 1, 3 * AT_ONCE + 7])
@pytest.mark.parametrize("accept", ["", OPENMETRICS])
async def test_all_of_it_is_written_once(many: int, accept: str) -> None:
    written = await write(families(many), accept, "")
    text = written.body.decode()
    parse = openmetrics if accept else prometheus
    found = {family.name: family for family in parse(text) if family.name.startswith("x_")}
    assert [name.removesuffix("_info") for name in found] == [
        *("x_build", "x_gauge", "x_none", "x_counter", "x_histogram", "x_last")
    ]
    for kind in ("HELP", "TYPE"):
        assert text.count(f"# {kind} x_gauge ") == 1
    assert [one.value for one in found["x_gauge"].samples] == list(range(many))
    assert [one.labels["name"] for one in found["x_counter"].samples] == [
        f"{HOSTILE}{n}" for n in range(many)
    ]
    counts = [one for one in found["x_histogram"].samples if one.name.endswith("_count")]
    assert [one.value for one in counts] == [n % 5 for n in range(many)]
    assert found["x_last"].samples[0].value == 7
    assert [line for line in text.splitlines() if line.startswith("lamplighter_forged")] == []
    assert text.endswith("# EOF\n") is bool(accept)
    assert text.count("\n# EOF\n") == bool(accept)


async def test_others_come_between() -> None:
    turns = 0

    async def other() -> None:
        nonlocal turns
        while True:
            await asyncio.sleep(0)
            turns += 1

    task = asyncio.create_task(other())
    await asyncio.sleep(0)
    before = turns
    await write(families(10 * AT_ONCE), "", "")
    assert turns - before > 10 + 10 + 10 * 15 - 20
    task.cancel()
