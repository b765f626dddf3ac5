"""How does one request reach the model's endpoint, and its answer us?

The only module that knows the openai library, which is imported when a model is first asked: it
takes 0.5 s and 17 MiB. What the library would take from the environment (keys, organisation,
address, headers, proxies, .netrc) does not reach the endpoint: each is given here, and of the
headers only those that are named below are sent.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Mapping
from contextlib import asynccontextmanager
from typing import Any

from agents.kit.reply import NoReplyError, Reply, TooLongReplyError
from scheduler.services import Model

OPENAI = "https://api.openai.com/v1"
CONNECT = 10.0
ONE_REQUEST = 120.0
"""Seconds from the first byte sent to the last received."""
MOST_BYTES = 4 << 20
"""Read of one answer; 32,000 tokens have some 0.2 MiB."""
SENT = frozenset({"host", "content-type", "content-length", "accept", "connection"})


class Wire:
    """Requests to one endpoint."""

    def __init__(self, client: Any) -> None:
        self._client = client

    async def send(self, request: Mapping[str, Any], seconds: float) -> Reply:
        """Raises `NoReplyError`."""
        return await self._reply(
            self._client.chat.completions.with_raw_response.create(**request), seconds
        )

    async def models(self, seconds: float) -> Reply:
        """The list of models. Raises `NoReplyError`."""
        return await self._reply(self._client.models.with_raw_response.list(), seconds)

    async def _reply(self, sending: Awaitable[Any], seconds: float) -> Reply:
        import httpx2
        import openai

        try:
            async with asyncio.timeout(seconds):
                raw = await sending
        except openai.APIStatusError as error:
            return Reply(error.status_code, _lower(error.response.headers), error.response.content)
        except TimeoutError:
            raise NoReplyError("no answer in time", sent=True) from None
        except openai.APIConnectionError as error:
            cause = error.__cause__
            if isinstance(cause, NoReplyError):
                raise cause from None
            if isinstance(cause, httpx2.ConnectTimeout | httpx2.ConnectError | httpx2.PoolTimeout):
                raise NoReplyError("no connection", sent=False) from None
            if isinstance(cause, httpx2.TimeoutException):
                raise NoReplyError("no answer in time", sent=True) from None
            raise NoReplyError("the connection was cut", sent=True) from None
        except (openai.OpenAIError, httpx2.HTTPError, httpx2.InvalidURL) as error:
            raise NoReplyError(type(error).__name__, sent=True) from None
        return Reply(raw.status_code, _lower(raw.headers), raw.content)


@asynccontextmanager
async def wire_to(model: Model, concurrent: int) -> AsyncIterator[Wire]:
    # In a thread: neither the import nor the reading of certificates may hold up the loop.
    client = await asyncio.to_thread(_client, model, concurrent)
    try:
        yield Wire(client)
    finally:
        await client.close()


def _lower(headers: Mapping[str, str]) -> dict[str, str]:
    return {name.lower(): value for name, value in headers.items()}


def _client(model: Model, concurrent: int) -> Any:
    import httpx2
    import openai

    for name in ("openai", "httpx2", "httpcore2"):
        # Below that they write addresses, and may write bodies.
        logging.getLogger(name).setLevel(logging.WARNING)

    key = model.api_key.get_secret_value() if model.api_key else ""
    own = {"accept-encoding": "identity", "user-agent": "lamplighter"}
    if key:
        own["authorization"] = f"Bearer {key}"

    class Bounded(httpx2.AsyncByteStream):
        def __init__(self, stream: httpx2.AsyncByteStream) -> None:
            self._stream = stream

        async def __aiter__(self) -> AsyncIterator[bytes]:
            read = 0
            async for chunk in self._stream:
                read += len(chunk)
                if read > MOST_BYTES:
                    raise TooLongReplyError(f"over {MOST_BYTES >> 20} MiB", sent=True)
                yield chunk

        async def aclose(self) -> None:
            await self._stream.aclose()

    class Transport(httpx2.AsyncHTTPTransport):
        async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
            kept = {name: value for name, value in request.headers.items() if name in SENT}
            sent = httpx2.Request(
                request.method,
                request.url,
                headers={**kept, **own},
                stream=request.stream,
                extensions=request.extensions,
            )
            response = await super().handle_async_request(sent)
            if response.headers.get("content-encoding", "identity") != "identity":
                await response.aclose()
                raise NoReplyError("an answer in an encoding that was not asked for", sent=True)
            assert isinstance(response.stream, httpx2.AsyncByteStream)  # noqa: S101 - narrows
            response.stream = Bounded(response.stream)
            return response

    limits = httpx2.Limits(max_connections=concurrent, max_keepalive_connections=concurrent)
    client = openai.AsyncOpenAI(
        # An empty text is not looked up in the environment, None is.
        api_key=key,
        admin_api_key="",
        organization="",
        project="",
        webhook_secret="",
        base_url=model.base_url or OPENAI,
        max_retries=0,
        http_client=httpx2.AsyncClient(
            transport=Transport(limits=limits, trust_env=False),
            timeout=httpx2.Timeout(ONE_REQUEST, connect=CONNECT),
            trust_env=False,
            # Neither the key nor what is asked follows to another address.
            follow_redirects=False,
        ),
        _enforce_credentials=False,
    )
    if not key:
        # The library insists on a header; the transport leaves it out.
        client.api_key = "none"
    _ = client.chat.completions.with_raw_response  # imports the rest of it
    return client
