"""Does the model's endpoint answer to what the settings hold, and does it know the model?"""

from __future__ import annotations

import json
from dataclasses import dataclass

from agents.kit.reply import NoReplyError
from agents.kit.wire import OPENAI, wire_to
from scheduler.services import Model

SECONDS = 15.0
MOST_NAMED = 5


@dataclass(frozen=True, slots=True)
class Probed:
    """In words; `fix` is what to do where it is not ok."""

    ok: bool
    message: str
    fix: str | None = None


async def probe(model: Model | None) -> Probed:
    """One request, for the list of models: it costs nothing. Never raises for what it finds."""
    if model is None:
        return Probed(
            True, "not configured: projects are fetched and measured, the agents say nothing"
        )
    where = model.base_url or OPENAI
    try:
        async with wire_to(model, 1) as wire:
            reply = await wire.models(SECONDS)
    except NoReplyError as error:
        return Probed(False, f"{where}: {error}", "correct OPENAI_BASE_URL, or the network")
    if reply.status in {401, 403}:
        return Probed(
            False, f"{where} does not take the key ({reply.status})", "set OPENAI_API_KEY"
        )
    if reply.status in {404, 405, 501}:
        return Probed(
            True, f"{where} answers, but lists no models: whether it has {model.name} is not known"
        )
    if reply.status != 200:
        return Probed(False, f"{where} answered {reply.status}", "see what its operator says")
    try:
        names = [str(one["id"]) for one in json.loads(reply.body)["data"]]
    except (ValueError, RecursionError, KeyError, TypeError):
        return Probed(False, f"{where} is no endpoint of OpenAI's protocol", "see OPENAI_BASE_URL")
    if model.name not in names:
        some = ", ".join(sorted(name for name in names if name.isprintable())[:MOST_NAMED])
        fix = f"set OPENAI_MODEL to one that it has{f', such as {some}' if some else ''}"
        return Probed(False, f"{where} has no model {model.name}", fix[:300])
    return Probed(True, f"{where} answers, and has {model.name}")
