"""A GitHub without a product."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from tests.support.github import GitHubDouble, github_double


@pytest.fixture
async def github() -> AsyncIterator[GitHubDouble]:
    async with github_double() as double:
        yield double
