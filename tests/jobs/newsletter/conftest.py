"""Each of the three providers in turn, up and empty, with the words it uses."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

import pytest

from scheduler.services import Services
from tests.support.jobs import Product
from tests.support.newsletter_providers import FakeBrevo, FakeMailchimp, FakeMailerLite
from tests.support.newsletters import FakeProvider, Newsletter, serving


@dataclass
class There:
    """One provider as a test sees it."""

    server: FakeProvider
    name: str
    label: str
    subscribed: str
    left: str
    first_name: str
    """The field that a first name goes to."""
    group: str
    """The product's column for its groups."""
    push: str
    """What is in the line of each call that creates."""

    @property
    def services(self) -> Services:
        made: Services = self.server.services()  # type: ignore[attr-defined]
        return made


KINDS: dict[str, Any] = {
    "mailerlite": lambda: There(
        FakeMailerLite(),
        "mailerlite",
        "MailerLite",
        "active",
        "unsubscribed",
        "name",
        "mailerlite_group_id",
        "import-subscribers",
    ),
    "mailchimp": lambda: There(
        FakeMailchimp(),
        "mailchimp",
        "Mailchimp",
        "subscribed",
        "unsubscribed",
        "FNAME",
        "mailchimp_segment_id",
        "POST /3.0/lists/aud1",
    ),
    "brevo": lambda: There(
        FakeBrevo(),
        "brevo",
        "Brevo",
        "subscribed",
        "blocked",
        "FIRSTNAME",
        "brevo_list_id",
        "/v3/contacts/import",
    ),
}


@pytest.fixture
def here(shop: Product) -> Newsletter:
    return Newsletter(shop)


@pytest.fixture(params=list(KINDS))
async def there(request: pytest.FixtureRequest) -> AsyncIterator[There]:
    made: There = KINDS[request.param]()
    async with serving(made.server):
        yield made


@pytest.fixture
async def mailerlite() -> AsyncIterator[FakeMailerLite]:
    server = FakeMailerLite()
    async with serving(server):
        yield server


@pytest.fixture
async def mailchimp() -> AsyncIterator[FakeMailchimp]:
    server = FakeMailchimp()
    async with serving(server):
        yield server


@pytest.fixture
async def brevo() -> AsyncIterator[FakeBrevo]:
    server = FakeBrevo()
    async with serving(server):
        yield server
