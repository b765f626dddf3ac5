"""Does `lamplighter enroll` enrol whom it was told to, say how many first, and keep who did?"""

from __future__ import annotations

import asyncio
import json
import os
import sys
from pathlib import Path
from typing import Any

import pytest

from scheduler.db.activity import sql as activities
from tests.support.jobs import Product
from tests.support.sequences import LONG_AGO, Letters

SCHEDULE = "jobs:\n  process-sequences:\n    cron: '0 */6 * * *'\n"


class Command:
    def __init__(self, dsn: str, home: Path) -> None:
        self._home = home
        home.joinpath("config.yaml").write_text(SCHEDULE, encoding="utf-8")
        self._environment = {
            **{key: value for key, value in os.environ.items() if key in {"PATH", "HOME"}},
            "DATABASE_URL": dsn,
            "LAMPLIGHTER_DATA_DIR": str(home),
            "PYTHONPATH": str(Path(__file__).parents[3]),
        }

    async def __call__(self, *arguments: str, typed: str = "") -> tuple[int, str, str]:
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "scheduler", *arguments),
            env=self._environment,
            cwd=self._home,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        out, err = await asyncio.wait_for(process.communicate(typed.encode()), 30)
        assert process.returncode is not None
        return process.returncode, out.decode(), err.decode()


@pytest.fixture
def command(database: str, tmp_path: Path) -> Command:
    return Command(database, tmp_path)


async def kept(shop: Product) -> list[tuple[str, str, dict[str, Any]]]:
    rows = activities.recent(shop.pool, before=None, most=10)
    return [(row["action"], row["target"], row["detail"]) async for row in rows]


async def test_one_person(letters: Letters, command: Command) -> None:
    await letters.sequence("course", "manual")
    await letters.subscriber("anna")
    code, out, err = await command("enroll", "course", "anna@example.com")
    assert (code, out, err) == (0, "1 enrolled in course.\n", "")
    assert await letters.enrolled() == ["anna"]
    assert await kept(letters.shop) == [
        ("enroll", "course", {"enrolled": 1, "adopted": 0, "email": "anna@example.com"})
    ]
    code, out, err = await command("enroll", "course", "anna@example.com")
    assert (code, out) == (1, "")
    assert err.startswith("lamplighter: anna@example.com is enrolled in course already")
    assert "Traceback" not in err
    assert len(await kept(letters.shop)) == 1


async def test_those_who_were_there_before(letters: Letters, command: Command) -> None:
    sequence = await letters.sequence("welcome")
    for name in ("anna", "berta"):
        await letters.subscriber(name)
    old = await letters.subscriber("old")
    await letters.enrol(sequence, old, next_step_at=LONG_AGO, enrolled_at=LONG_AGO)
    question = "2 people would be enrolled in welcome, and 1 of the product's own enrolments"
    code, out, _ = await command("enroll", "welcome", "--existing", typed="n\n")
    assert code == 0
    assert question in out
    assert out.endswith("Nobody was enrolled.\n")
    assert await letters.enrolled() == ["old"]
    assert await kept(letters.shop) == []
    code, out, _ = await command("enroll", "welcome", "--existing", typed="y\n")
    assert code == 0
    assert out.endswith("2 enrolled, 1 of the product's own enrolments taken over in welcome.\n")
    assert await letters.enrolled() == ["anna", "berta", "old"]
    code, out, _ = await command("enroll", "welcome", "--existing", "--yes", "--json")
    assert json.loads(out) == {"sequence": "welcome", "enrolled": 0, "adopted": 0, "refused": 0}
    assert len(await kept(letters.shop)) == 2


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("welcome",), "either an EMAIL or --existing"),
        (("welcome", "anna@example.com", "--existing"), "either an EMAIL or --existing"),
        (("welcome", "--existing", "--json"), "add --yes"),
    ],
)
async def test_wrong_usage(command: Command, arguments: tuple[str, ...], said: str) -> None:
    code, _, err = await command("enroll", *arguments)
    assert code == 2
    assert said in err


async def test_a_product_without_newsletters(database_b: str, tmp_path: Path) -> None:
    code, _, err = await Command(database_b, tmp_path)("enroll", "welcome", "--existing", "--yes")
    assert code == 1
    assert "newsletter_subscribers" in err
    assert "Traceback" not in err
