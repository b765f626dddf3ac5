"""Does what a run came to read as people say it?"""

from __future__ import annotations

import pytest

from scheduler.web.pages.results import main_count


@pytest.mark.parametrize(
    ("numbers", "said"),
    [
        ({}, None),
        ({"errors": 2, "failed": 1}, None),
        ({"changed": 1234, "total": 5000, "errors": 0}, "1,234 changed"),
        ({"changed": 0, "total": 5000}, "0 changed"),
        ({"queued": 0, "processed": 5}, "5 processed"),
        ({"projectsProcessed": 1}, "1 project processed"),
        ({"projectsProcessed": 2}, "2 projects processed"),
        ({"retriedCount": 1}, "1 retried"),
        ({"eventsDeleted": 0, "webhooksDeleted": 1}, "1 webhook deleted"),
        ({"queueDeleted": 3}, "3 messages deleted"),
        ({"days": 1}, "1 day"),
        ({"entries": 1}, "1 entry"),
        ({"passes": 0.5}, "0.5 passes"),
        ({"access": 1}, "1 access"),
    ],
)
def test_what_it_did_mainly(numbers: dict[str, float], said: str | None) -> None:
    assert main_count(numbers) == said
