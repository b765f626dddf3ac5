"""A model's endpoint for tests: OpenAI's protocol on loopback, strictly, and misfortunes.

It says what a function of the request says, and writes down who asked for what. In a process of its
own, `python -m tests.support.openai_server --says sensible|silent|obeying` prints its address; what
it is asked becomes lines of JSON in the file of `--log`.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from aiohttp import web

from tests.support.openai_answers import Request, obeying, sensible, silent
from tests.support.openai_protocol import RefusedRequest, check_request

SAYS: Mapping[str, Callable[[Request], str]] = {
    "sensible": sensible,
    "silent": silent,
    "obeying": obeying,
}
Unknown = Literal["json_schema", "json_object", "max_completion_tokens"]


@dataclass(frozen=True)
class Says:
    """An answer, where a plain text is not enough."""

    content: str | None = None
    refusal: str | None = None
    finish_reason: str = "stop"
    usage: Any = "counted"
    """`counted` from the texts; None leaves it out."""
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes | None = None
    """Instead of a chat completion."""
    cut: bool = False
    """The connection is cut in the middle of the body."""
    slow: float = 0
    """Seconds until the answer."""
    endless: bool = False
    """The body does not end."""


def error(status: int, message: str = "made up", code: str | None = None, **headers: str) -> Says:
    body = {"error": {"message": message, "type": "made_up", "param": None, "code": code}}
    return Says(status=status, body=json.dumps(body).encode(), headers=headers)


@dataclass(frozen=True)
class Asked:
    """One request as it came in, with its answer's status."""

    body: Any
    headers: Mapping[str, str]
    path: str
    status: int

    @property
    def form(self) -> str:
        return str((self.body.get("response_format") or {"type": "text"})["type"])

    def texts(self) -> str:
        return "\n".join(message["content"] for message in self.body["messages"])


@dataclass
class ModelDouble:
    says: Callable[[Request], Says | str] = sensible
    key: str | None = "key-of-tests"
    """None lets everybody in who brings no key."""
    models: tuple[str, ...] | None = ("model-of-tests",)
    """What it says it has; None where it does not say."""
    unknown: frozenset[Unknown] = frozenset()
    """What it refuses as older endpoints do."""
    takes: float = 0
    """Seconds for each answer."""
    meanwhile: Callable[[], Awaitable[None]] | None = None
    """What else happens while it thinks."""
    asked: list[Asked] = field(default_factory=list)
    at_once: int = 0
    most_at_once: int = 0
    url: str = ""
    log: Path | None = None

    async def handle(self, request: web.Request) -> web.StreamResponse:
        self.at_once += 1
        self.most_at_once = max(self.most_at_once, self.at_once)
        body: Any = None
        response: web.StreamResponse | None = None
        try:
            body = await request.json() if request.method == "POST" else None
            response = await self._answer(request, body)
        finally:
            self.at_once -= 1
            headers = {name.lower(): value for name, value in request.headers.items()}
            status = response.status if response is not None else 0
            self.asked.append(Asked(body, headers, request.path, status))
            if self.log is not None:
                with self.log.open("a", encoding="utf-8") as file:
                    file.write(json.dumps({"status": status, "body": body}) + "\n")
        return response

    async def _answer(self, request: web.Request, body: Any) -> web.StreamResponse:
        given = request.headers.get("Authorization")
        if given != (None if self.key is None else f"Bearer {self.key}"):
            return _send(error(401, f"Incorrect API key provided: {given}.", "invalid_api_key"))
        if (request.method, request.path) == ("GET", "/v1/models") and self.models is not None:
            return web.json_response(_listed(self.models))
        if request.path != "/v1/chat/completions":
            return _send(error(404, "Unknown request URL"))
        try:
            check_request(body)
            self._check_unknown(body)
        except RefusedRequest as refused:
            return web.json_response(refused.body, status=refused.status)
        if self.takes:
            await asyncio.sleep(self.takes)
        if self.meanwhile is not None:
            await self.meanwhile()
        says = self.says(body)
        says = Says(says) if isinstance(says, str) else says
        if says.slow:
            await asyncio.sleep(says.slow)
        if says.cut or says.endless:
            return await _misfortune(request, says)
        return _send(says, body)

    def _check_unknown(self, body: Any) -> None:
        form = (body.get("response_format") or {}).get("type")
        if form in self.unknown:
            raise RefusedRequest(
                f"Invalid parameter: 'response_format' of type '{form}' is not supported with this "
                "model.",
                "response_format",
            )
        if "max_completion_tokens" in body and "max_completion_tokens" in self.unknown:
            raise RefusedRequest(
                "Unrecognized request argument supplied: max_completion_tokens", None, None
            )


def _listed(models: tuple[str, ...]) -> dict[str, Any]:
    made = {"object": "model", "created": 1_686_935_002, "owned_by": "openai"}
    return {"object": "list", "data": [{"id": name, **made} for name in models]}


def _send(says: Says, asked: Any = None) -> web.Response:
    data = says.body if says.body is not None else json.dumps(_completion(says, asked)).encode()
    headers = {"Content-Type": "application/json", **says.headers}
    return web.Response(status=says.status, body=data, headers=headers)


def _completion(says: Says, asked: Any) -> dict[str, Any]:
    message = {"role": "assistant", "content": says.content, "refusal": says.refusal}
    made: dict[str, Any] = {
        "id": "chatcmpl-made",
        "object": "chat.completion",
        "created": 1_767_225_600,
        "model": asked["model"],
        "choices": [
            {
                "index": 0,
                "message": message,
                "logprobs": None,
                "finish_reason": says.finish_reason,
            }
        ],
    }
    if says.usage == "counted":
        read = sum(len(one["content"]) for one in asked["messages"]) // 4
        written = len(says.content or says.refusal or "") // 4
        made["usage"] = {
            "prompt_tokens": read,
            "completion_tokens": written,
            "total_tokens": read + written,
        }
    elif says.usage is not None:
        made["usage"] = says.usage
    return made


async def _misfortune(request: web.Request, says: Says) -> web.StreamResponse:
    response = web.StreamResponse(headers={"Content-Type": "application/json"})
    if not says.endless:
        response.content_length = 1_000_000
    await response.prepare(request)
    await response.write(b'{"choices": [{"message": {"content": "')
    try:
        while says.endless:
            await response.write(b"x" * 65_536)
    except ConnectionError:
        return response
    assert request.transport is not None
    request.transport.abort()
    return response


@asynccontextmanager
async def model_double(port: int = 0, **options: Any) -> AsyncIterator[ModelDouble]:
    """A double on loopback; its `url` is what `OPENAI_BASE_URL` would be."""
    double = ModelDouble(**options)
    app = web.Application(client_max_size=16 << 20)
    app.router.add_route("*", "/{tail:.*}", double.handle)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", port)
    await site.start()
    double.url = f"http://127.0.0.1:{runner.addresses[0][1]}/v1"
    try:
        yield double
    finally:
        await runner.cleanup()


async def main(arguments: argparse.Namespace) -> None:
    async with model_double(
        arguments.port,
        says=SAYS[arguments.says],
        key=arguments.key,
        takes=arguments.takes,
        unknown=frozenset(filter(None, arguments.refuses.split(","))),
        log=arguments.log,
    ) as double:
        sys.stdout.write(f"{double.url}\n")
        sys.stdout.flush()
        await asyncio.Event().wait()


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--says", choices=SAYS, default="sensible")
    parser.add_argument("--key")
    parser.add_argument("--takes", type=float, default=0)
    parser.add_argument("--refuses", default="")
    parser.add_argument("--log", type=Path)
    asyncio.run(main(parser.parse_args()))
