"""Does doctor say of each provider that is on whether it answers and takes the key?"""

from __future__ import annotations

from aiohttp import web

from scheduler.commands.checks import newsletter_providers
from scheduler.services import Services
from scheduler.settings import load_settings
from tests.support.newsletter_providers import FakeBrevo, FakeMailerLite
from tests.support.newsletters import KEY, Fault


async def test_nothing_is_said_of_providers_that_are_off() -> None:
    assert await newsletter_providers(Services()) == []


async def test_a_good_key_and_a_bad_one(mailerlite: FakeMailerLite, brevo: FakeBrevo) -> None:
    settings = load_settings(
        mailerlite_api_key=KEY,
        mailerlite_api_url=mailerlite.url,
        brevo_api_key=KEY,
        brevo_list_id=7,
        brevo_api_url=brevo.url,
    )
    said = f"Key {KEY} not found"
    refusal = web.json_response({"code": "unauthorized", "message": said}, status=401)
    brevo.faults = [Fault("GET", refusal)]
    good, bad = await newsletter_providers(settings.services)
    assert (good.ok, good.message) == (True, "MailerLite: reachable, and the key is valid")
    assert good.job == "sync-newsletter"
    assert (bad.ok, bad.message) == (
        False,
        "Brevo: look for BREVO_LIST_ID: refused (401): Key *** not found",
    )
    assert bad.fix is not None
    assert "BREVO_" in bad.fix
    assert len(mailerlite.calls) == len(brevo.calls) == 1


async def test_a_list_that_is_not_there(brevo: FakeBrevo) -> None:
    (finding,) = await newsletter_providers(brevo.services(8))
    assert finding.message == "Brevo: look for BREVO_LIST_ID: refused (404): List ID does not exist"
