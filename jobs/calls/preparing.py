"""How do an entry's parameters and the variables that they name become a request?"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from jobs.calls.secrecy import Redactor
from jobs.calls.sending import Request
from jobs.calls.texts import each_text, filled, names_in, texts_of
from jobs.calls.wanted import HttpRequest, check_address, check_header
from scheduler.errors import VariableError
from scheduler.job import ParamProblem
from scheduler.services import Services


@dataclass(frozen=True, slots=True)
class Prepared:
    request: Request
    hide: Redactor


def values_of(params: HttpRequest, services: Services) -> Mapping[str, str]:
    """What its variables hold. Raises `VariableError`."""
    texts = [params.url, *params.headers.values(), *texts_of(params.body)]
    names = dict.fromkeys(name for text in texts for name in names_in(text))
    return {name: services.variable(name).get_secret_value() for name in names}


def prepared(params: HttpRequest, services: Services, key: str) -> Prepared:
    """The request as it is sent.

    Raises `VariableError`, and `ValueError` where what variables hold makes no request; neither
    says what they hold.
    """
    values = values_of(params, services)
    url = filled(params.url, values)
    try:
        check_address(url)
    except ValueError as error:
        raise ValueError(f"url, with its variables, {error}") from None
    headers = {"User-Agent": "lamplighter", "Accept": "*/*", "Idempotency-Key": key}
    own = {name.lower() for name in params.headers}
    headers = {name: value for name, value in headers.items() if name.lower() not in own}
    for name, text in params.headers.items():
        headers[name] = filled(text, values)
        try:
            check_header(headers[name])
        except ValueError as error:
            raise ValueError(f"headers.{name}, with its variables, {error}") from None
    body: bytes | None = None
    if params.body is not None:
        filled_in = each_text(params.body, lambda text: filled(text, values))
        is_text = isinstance(filled_in, str)
        body = (filled_in if isinstance(filled_in, str) else json.dumps(filled_in)).encode()
        if "content-type" not in own:
            headers["Content-Type"] = "text/plain; charset=utf-8" if is_text else "application/json"
    headers["Accept-Encoding"] = "identity"
    return Prepared(Request(params.method, url, headers, body), Redactor(values.values()))


def check(params: HttpRequest, services: Services) -> Iterator[ParamProblem]:
    """Each variable that cannot be read; where all can, whether they make a request."""
    places: list[tuple[tuple[str, ...], str]] = [(("url",), params.url)]
    places += [(("headers", name), value) for name, value in params.headers.items()]
    places += [(("body",), text) for text in texts_of(params.body)]
    is_complete = True
    for path, text in places:
        for name in dict.fromkeys(names_in(text)):
            try:
                services.variable(name)
            except VariableError as error:
                is_complete = False
                yield ParamProblem(path, str(error))
    if is_complete:
        try:
            prepared(params, services, key="")
        except ValueError as error:
            name, _, what = str(error).partition(", ")
            yield ParamProblem(tuple(name.split(".", 1)), what)
