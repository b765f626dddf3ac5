"""Which providers are on? Those whose keys are set."""

from __future__ import annotations

import aiohttp

from jobs.newsletter.brevo import Brevo
from jobs.newsletter.mailchimp import Mailchimp
from jobs.newsletter.mailerlite import MailerLite
from jobs.newsletter.provider import Provider
from scheduler.services import Services

HOW_TO_TURN_ONE_ON = (
    "no newsletter provider is on: set MAILERLITE_API_KEY, or MAILCHIMP_API_KEY with "
    "MAILCHIMP_LIST_ID, or BREVO_API_KEY with BREVO_LIST_ID (NEWSLETTER_PROVIDER picks one of them)"
)


def providers_on(services: Services, session: aiohttp.ClientSession) -> list[Provider]:
    on: list[Provider] = []
    if services.mailerlite:
        on.append(MailerLite(services.mailerlite, session))
    if services.mailchimp:
        on.append(Mailchimp(services.mailchimp, session))
    if services.brevo:
        on.append(Brevo(services.brevo, session))
    return on
