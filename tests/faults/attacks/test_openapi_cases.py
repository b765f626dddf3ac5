"""Are made-up calls answered as `/openapi.json` says, and without a secret not at all?"""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from typing import Any

import pytest
import requests
import schemathesis
from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis.errors import Unsatisfiable
from schemathesis import GenerationMode
from schemathesis.core.failures import FailureGroup
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from tests.faults.attacks.target import (
    ADMIN,
    CRON,
    GROWTH,
    MAY_BE_SAID,
    Target,
    changed,
    contents,
)
from tests.faults.conftest import Report, trials

CHECKS = [
    status_code_conformance,
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
]
pytestmark = pytest.mark.timeout(3000)


class Caller:
    """Makes the cases of each operation, calls, and keeps what must not be."""

    def __init__(self, target: Target, *, with_secret: bool) -> None:
        self.target = target
        self.with_secret = with_secret
        self.session = requests.Session()
        document = self.session.get(f"{target.url}/openapi.json", timeout=30).json()
        self.operations = [
            result.ok()  # type: ignore[union-attr]  # a document with an error ends the test
            for result in schemathesis.openapi.from_dict(document).get_all_operations()
        ]
        self.statuses: Counter[int] = Counter()
        self.wrong: dict[str, str] = {}

    def call_all(self, count: int) -> None:
        # An operation has only so many cases: where there were too few, all are asked for more.
        for number in range(1, 9):
            each = -(-(count - self.statuses.total()) // (2 * len(self.operations)))
            if each <= 0:
                return
            for operation in self.operations:
                for mode in (GenerationMode.POSITIVE, GenerationMode.NEGATIVE):
                    self._operation(operation, mode, each, number)

    def _operation(self, operation: Any, mode: GenerationMode, count: int, number: int) -> None:
        @seed(number)
        @settings(
            max_examples=count,
            database=None,
            deadline=None,
            phases=[Phase.generate],
            suppress_health_check=list(HealthCheck),
        )
        @given(case=operation.as_strategy(generation_mode=mode))
        def each(case: Any) -> None:
            self._call(case, mode)

        try:
            each()
        except Unsatisfiable:
            # An operation without anything that could be wrong has no such cases.
            return

    def _call(self, case: Any, mode: GenerationMode) -> None:
        headers = self._headers(case)
        response = case.call(
            base_url=self.target.url, session=self.session, headers=headers, timeout=60
        )
        status = response.status_code
        self.statuses[status] += 1
        name = f"{case.method} {case.operation.path}"
        if status >= 500 and status not in MAY_BE_SAID:
            self._wrong(f"{name} {status}", case, response)
        is_open = not case.operation.definition.raw.get("security")
        if not self.with_secret and not is_open and status not in {400, 401, 404, 405, 429}:
            self._wrong(f"{name} answers {status} without a secret", case, response)
        try:
            case.validate_response(response, checks=CHECKS, headers=headers)
        except FailureGroup as group:
            for failure in group.exceptions:
                words = " ".join(str(failure).split())[:300]
                self._wrong(f"{name} {status} {words}", case, response)

    def _headers(self, case: Any) -> dict[str, str]:
        if not self.with_secret:
            return random.Random(case.path).choice([{}, {"Authorization": "Bearer wrong"}])
        secret = CRON if case.operation.path.startswith("/api/v1/workers/") else ADMIN
        return {"Authorization": f"Bearer {secret}"}

    def _wrong(self, what: str, case: Any, response: Any) -> None:
        self.wrong.setdefault(what, f"{case.as_curl_command()}\n{response.content[:300]!r}")


async def test_cases_made_from_the_document(target: Target, report: Report) -> None:
    count = trials(20_000, 150)
    report.of(
        "calls made up from the OpenAPI document, with and without a secret",
        count,
        "no 5xx but 503/504, every answer as documented, no effect without a secret",
    )
    memory = target.megabytes
    before = await contents(target.dsn)
    stranger = await asyncio.to_thread(called, target, count // 4, False)
    assert changed(before, await contents(target.dsn)) == []
    known = await asyncio.to_thread(called, target, count - count // 4, True)
    report.figures["calls"] = f"{sum((stranger.statuses + known.statuses).values()):,}"
    report.figures["answers"] = ", ".join(
        f"{status}: {n:,}" for status, n in sorted((stranger.statuses + known.statuses).items())
    )
    report.figures["memory"] = f"{target.megabytes - memory:+.1f} MB"
    wrong = {**stranger.wrong, **known.wrong}
    assert not wrong, "\n\n".join(f"{what}\n{how}" for what, how in [*wrong.items()][:30])
    assert known.statuses[200] > count // 50
    assert target.megabytes - memory < GROWTH


def called(target: Target, count: int, with_secret: bool) -> Caller:
    made = Caller(target, with_secret=with_secret)
    made.call_all(count)
    return made
