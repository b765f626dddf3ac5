"""What the tests of sequences share: a newsletter without anybody in it."""

from __future__ import annotations

import pytest

from tests.support.jobs import Product
from tests.support.sequences import Letters


@pytest.fixture
def letters(shop: Product) -> Letters:
    return Letters(shop)
