"""Which entry of the schedule does a call become?"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from math import isfinite
from typing import Any, Final
from urllib.parse import parse_qsl, unquote, urlsplit

from jobs.calls.secrecy import names_a_secret
from jobs.calls.texts import each_text, filled, literal, names_in
from scheduler.moving.errors import CannotError
from scheduler.moving.lines import Asked
from scheduler.moving.requests import Call, depth, json_object
from scheduler.moving.secrets import Secrets, without_secrets
from scheduler.params import ParamsError, own_names, read_params
from scheduler.running.registry import JobType
from scheduler.suggest import did_you_mean, shown

HTTP_REQUEST: Final = "http-request"
USUAL: Final[Mapping[str, Mapping[str, str]]] = {
    "reset-credits": {"overlap": "queue"},
    "check-expirations": {"overlap": "queue"},
    "aggregate-analytics": {"timeout": "1h"},
    "sync-newsletter": {"timeout": "2h"},
    "process-sequences": {"timeout": "30m"},
    "update-segments": {"timeout": "30m"},
    "compute-funnels": {"timeout": "30m"},
    "refresh-cohorts": {"timeout": "30m"},
    "cleanup": {"timeout": "1h"},
    "orchestration/batch": {"timeout": "3h"},
    "orchestration/retry-failed": {"timeout": "50m"},
    "orchestration/cleanup": {"timeout": "1h"},
    "cleanup-email-logs": {"timeout": "1h"},
}
"""What the schedule that ships says of jobs beside their times."""
_ROUTE: Final = re.compile(r"(?P<base>[^?#]*?)/api/v1/workers/(?P<job>[^?#]+)(?:\?(?P<query>.*))?")
_OURS: Final = frozenset({"wait", "reason"})
_METHODS: Final = frozenset({"GET", "POST", "PUT", "PATCH", "DELETE", "HEAD"})
_ADDRESS: Final = re.compile(r"https?://[^/?#@\s]+[^?#@\s]*", re.IGNORECASE)
_HOST: Final = re.compile(r"[A-Za-z0-9.-]{1,253}(:\d{1,5})?", re.ASCII)
_DEEPEST: Final = 5
"""Levels of a body that the schedule file has room for."""
_NO_MATTER: Final = re.compile(r"^/dev/|^/proc/|^/tmp/|^/var/log/|log|\$", re.IGNORECASE)
"""Files that nobody wants for what is in them."""
_NOT_CARRIED: Final = frozenset({"accept-encoding", "connection", "content-length", "expect"})
"""Headers that say how a message travels, which is now others' business."""
_SECONDS: Final = re.compile(r"(\d{1,6})(?:\.\d+)?([smhd]?)", re.ASCII)


@dataclass(frozen=True, slots=True)
class Made:
    """An entry without its name and times."""

    job: str
    keys: Mapping[str, Any]
    """`overlap`, `timeout`, `params`, ... as the file has them."""
    stem: str
    """What its name begins with."""
    notes: tuple[str, ...] = ()


@dataclass(slots=True)
class Maker:
    """Makes entries of the calls of one crontab."""

    jobs: Mapping[str, JobType]
    secrets: Secrets
    settings: dict[str, str] = field(default_factory=dict)
    """The crontab's own settings so far; grows while it is read."""

    def made(self, asked: Asked, line: int) -> Made:
        """Raises `CannotError`."""
        known = {**self.settings, **asked.values}
        call = asked.call
        url = _with_scheme(_addresses(call.url, known), known)
        route = _ROUTE.fullmatch(url)
        if route is not None:
            made = self._worker(call, route, known)
        else:
            made = self._request(call, url, line)
        return Made(made.job, made.keys, made.stem, (*asked.notes, *made.notes))

    def _worker(self, call: Call, route: re.Match[str], known: Mapping[str, str]) -> Made:
        path = _known(unquote(route["job"]).rstrip("/"), known)
        if call.method.upper() not in {"GET", "POST"}:
            raise CannotError("calls a worker route otherwise than with GET or POST")
        name, given = self._job(path)
        query = parse_qsl(_known(route["query"] or "", known), keep_blank_values=True)
        body = _known(call.body or "", known)
        in_body = json_object(body) if body.strip() else {}
        if in_body is None:
            raise CannotError("sends a body that is no JSON object, which no worker route takes")
        notes: list[str] = []
        for key, value in (*query, *in_body.items()):
            if key in _OURS and key not in in_body:
                notes.append(f"{key!r} was for the caller, and is left out")
            elif key in given:
                raise CannotError(f"gives the parameter {shown(key)} twice")
            else:
                given[key] = value
        model = self.jobs[name].job.params
        try:
            params = read_params(model, given)
        except ParamsError as error:
            raise CannotError(f"gives {name} parameters that it does not take: {error}") from None
        written = params.model_dump(mode="json", include=own_names(model, given))
        keys: dict[str, Any] = dict(USUAL.get(name, {}))
        if written:
            keys["params"] = written
        if call.seconds or call.tries:
            notes.append(
                "how long the caller waited, and how often it tried, is left out: `timeout` and "
                "`retry` of the entry count"
            )
        return Made(name, keys, name, tuple(notes))

    def _job(self, path: str) -> tuple[str, dict[str, Any]]:
        for name, kind in self.jobs.items():
            if kind.job.params.from_file_alone:
                continue
            if kind.job.path is None and path == name:
                return name, {}
            if kind.job.path is not None:
                pattern = re.sub(r"\\\{(\w+)\\\}", r"(?P<\1>[^/]+)", re.escape(kind.job.path))
                if (found := re.fullmatch(pattern, path)) is not None:
                    return name, found.groupdict()
        guess = did_you_mean(path, self.jobs)
        raise CannotError(
            f"calls the worker route {shown(path)}, of which there is no job here{guess}; if it "
            f"stays elsewhere, write an entry of {HTTP_REQUEST} for it"
        )

    def _request(self, call: Call, url: str, line: int) -> Made:
        method = call.method.upper()
        if method not in _METHODS:
            raise CannotError(f"asks with a method that {HTTP_REQUEST} does not have")
        if call.output and not _NO_MATTER.search(call.output):
            raise CannotError(
                "keeps the answer in a file, of which lamplighter keeps the beginning, with the "
                "run; if the file is of no matter, leave it out and import again"
            )
        url, userinfo = _without_userinfo(url)
        headers = {name: value for name, value in call.headers if name.lower() not in _NOT_CARRIED}
        userinfo = call.userinfo or userinfo
        if userinfo is not None and not any(name.lower() == "authorization" for name in headers):
            host = urlsplit(literal(url)).hostname or "request"
            what = "what `printf %s 'USER:PASSWORD' | base64 -w0` says, of that line's"
            headers["Authorization"] = "Basic " + self.secrets.replaced(
                f"basic {userinfo}", host, "basic", line, what
            )
        if call.bearer is not None:
            headers["Authorization"] = f"Bearer {call.bearer}"
        content = next((v for name, v in headers.items() if name.lower() == "content-type"), "")
        body: object = call.body
        if call.body is not None and content.lower() == "application/json":
            parsed = json_object(call.body)
            if parsed is not None and _goes_into_yaml(call.body, parsed):
                body = parsed
                headers = {n: v for n, v in headers.items() if n.lower() != "content-type"}
        url, headers, body = without_secrets(url, headers, body, line, self.secrets)
        url, headers = self.secrets.renamed(url), _changed(headers, self.secrets.renamed)
        body = _changed(body, self.secrets.renamed)
        params: dict[str, Any] = {"url": url}
        if method != "GET":
            params["method"] = method
        if headers:
            params["headers"] = headers
        if body is not None:
            params["body"] = body
        try:
            read_params(self.jobs[HTTP_REQUEST].job.params, params)
        except ParamsError as error:
            raise CannotError(f"makes no request: {error}") from None
        keys: dict[str, Any] = {}
        if call.seconds and (timeout := _timeout(call.seconds)):
            keys["timeout"] = timeout
        if call.tries and call.tries.isascii() and call.tries.isdigit():
            keys["retry"] = {"attempts": min(max(int(call.tries), 1), 20)}
        keys["params"] = params
        for name in dict.fromkeys(_variables(params)):
            self.secrets.want(name, line, self.secrets.meaning(name))
        return Made(HTTP_REQUEST, keys, _stem(url), ())


def _known(text: str, known: Mapping[str, str]) -> str:
    """The text with what its variables hold, for what an entry can only hold itself."""
    values = {name: known.get(name) for name in names_in(text)}
    for name, value in values.items():
        if value is None or not re.fullmatch(r"[\w.:, -]{0,60}", value, re.ASCII):
            raise CannotError(
                f"has ${name} in a parameter, and no plain value for it stands in the crontab; "
                "write the value itself"
            )
    return filled(text, {name: value or "" for name, value in values.items()})


def _addresses(url: str, known: Mapping[str, str]) -> str:
    """With what variables hold of hosts and addresses, where the crontab says it."""

    def said(found: re.Match[str]) -> str:
        value = known.get(found[1] or "", "")
        in_host = re.fullmatch(r"(https?://)?[^/?#]*", url[: found.start()], re.IGNORECASE)
        is_host = in_host and _HOST.fullmatch(value) and not names_a_secret(found[1])
        if _ADDRESS.fullmatch(value) or is_host:
            return value.rstrip("/").replace("$", "$$")
        return found[0]

    return re.sub(r"\$\$|\$\{(\w+)\}", said, url)


def _with_scheme(url: str, known: Mapping[str, str]) -> str:
    """As both programs do: what has no scheme is http."""
    if re.match(r"[a-z][a-z0-9+.-]*://", url, re.IGNORECASE):
        return url[: url.index(":")].lower() + url[url.index(":") :]
    variable = re.match(r"\$\{(\w+)\}(?P<rest>.*)", url, re.DOTALL)
    holds = known.get(variable[1], "") if variable else ""
    is_host = variable and (variable["rest"].startswith(":") or (holds and "://" not in holds))
    return f"http://{url}" if variable is None or is_host else url


def _without_userinfo(url: str) -> tuple[str, str | None]:
    found = re.fullmatch(r"(https?://)([^/?#]*)@(.*)", url, re.DOTALL)
    return (found[1] + found[3], found[2]) if found else (url, None)


def _goes_into_yaml(text: str, parsed: object) -> bool:
    """Whether the file can say the same: whole numbers of 18 digits, variables in texts only."""

    def plain(value: object) -> bool:
        match value:
            case dict():
                return all(key and plain(inner) for key, inner in value.items())
            case list():
                return all(map(plain, value))
            case int():
                return abs(value) < 10**18
            case float():
                return "e" not in repr(value) and isfinite(value) and len(repr(value)) < 18
            case _:
                return True

    return (
        depth(parsed) <= _DEEPEST
        and plain(parsed)
        and len(list(names_in(text))) == len(list(_variables(parsed)))
    )


def _changed(value: Any, change: Callable[[str], str]) -> Any:
    return each_text(value, change)


def _variables(value: object) -> Iterable[str]:
    match value:
        case str():
            yield from names_in(value)
        case list():
            for item in value:
                yield from _variables(item)
        case dict():
            for item in value.values():
                yield from _variables(item)
        case _:
            return


def _timeout(text: str) -> str | None:
    """Seconds, or wget's and `timeout`'s 5m, as the schedule writes them; a second to say so."""
    found = _SECONDS.fullmatch(text)
    if found is None:
        return None
    seconds = int(found[1]) * {"": 1, "s": 1, "m": 60, "h": 3600, "d": 86400}[found[2]]
    return f"{min(seconds + 1, 86_400)}s" if seconds else None


def _stem(url: str) -> str:
    """A name for a call of an address: what its path ends with, or its host."""
    plain = re.sub(r"\$\{\w+\}", "", url)
    try:
        parts = urlsplit(plain if "://" in plain else f"http://x{plain}")
        words = [part for part in unquote(parts.path).split("/") if part][-2:]
        if len(words) < 2 and "://" in plain:
            host = parts.hostname or ""
            label = host.partition(".")[0]
            words = [host if label.isdigit() else label, *words]
    except ValueError:
        words = []
    name = re.sub(r"[^a-z0-9]+", "-", "-".join(words).lower()).strip("-")[:60].strip("-")
    return name or HTTP_REQUEST
