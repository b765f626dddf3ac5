"""What do wget and curl ask for? Their words become calls, or a reason why not."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Final
from urllib.parse import quote_plus

from scheduler.moving.errors import CannotError
from scheduler.moving.options import CURL, REASONS, WGET, Option, Options

FORM: Final = "application/x-www-form-urlencoded"
_DEEPEST: Final = 50
PROGRAMS: Final = frozenset({"wget", "curl"})


@dataclass(slots=True)
class Call:
    """One request. Texts are as words of a shell: `${NAME}` is a variable, `$$` a dollar."""

    url: str
    method: str = "GET"
    headers: list[tuple[str, str]] = field(default_factory=list)
    body: str | None = None
    userinfo: str | None = None
    """`user:password`, from an option."""
    bearer: str | None = None
    seconds: str | None = None
    """How long the program would have waited for all of it."""
    tries: str | None = None
    followed: bool = False
    """It would have gone where a redirect leads."""
    output: str = ""
    """The file that the answer would have gone to; empty where it is shown."""


@dataclass(slots=True)
class _Asked:
    """What the options say."""

    method: str | None = None
    headers: list[tuple[str, str]] = field(default_factory=list)
    body: str | None = None
    joined_by: str = "&"
    as_query: bool = False
    head: bool = False
    userinfo: str | None = None
    user: str | None = None
    password: str | None = None
    bearer: str | None = None
    seconds: str | None = None
    tries: str | None = None
    followed: bool = False
    output: str = ""
    with_body: dict[str, str] = field(default_factory=dict)
    """Headers that the program adds to a body by itself."""
    globs: bool = True
    urls: list[str] = field(default_factory=list)

    def add_body(self, text: str, joined_by: str) -> None:
        self.body = text if self.body is None else f"{self.body}{joined_by}{text}"

    @property
    def all_headers(self) -> list[tuple[str, str]]:
        """Those that are given, and before them those that come with a body."""
        given = {name.lower() for name, _ in self.headers}
        coming = {} if self.as_query or self.body is None else self.with_body
        return [
            *((name, value) for name, value in coming.items() if name.lower() not in given),
            *self.headers,
        ]


def calls_of(program: str, words: Sequence[str], stdin: str | None) -> list[Call]:
    """Raises `CannotError` for what a request of lamplighter's does not do."""
    asked = _Asked(globs=program == "curl", followed=program == "wget")
    if program == "curl":
        for name, value in _options(words, CURL):
            _curl(asked, name, value, stdin)
    else:
        for name, value in _options(words, WGET):
            _wget(asked, name, value)
    if len(asked.urls) > 1 and any(re.fullmatch(r"\$\{\w+\}", url) for url in asked.urls):
        raise CannotError(
            "has options, or an address, that only a variable holds; write them out and import "
            "again"
        )
    if not asked.urls:
        raise CannotError(f"{program} is given no address")
    return [_call(asked, url) for url in asked.urls]


def _call(asked: _Asked, url: str) -> Call:
    if asked.globs and any(mark in url for mark in "[{") and "${" not in url:
        raise CannotError("curl would call several addresses for its [...] or {...}; write each")
    body = asked.body
    if asked.as_query and body is not None:
        bare, hash_, fragment = url.partition("#")
        url = f"{bare}{'&' if '?' in bare else '?'}{body}{hash_}{fragment}"
        body = None
    if asked.userinfo is None and asked.user is not None:
        asked.userinfo = f"{asked.user}:{asked.password or ''}"
    return Call(
        url=url.partition("#")[0],
        method=asked.method or ("HEAD" if asked.head else "GET" if body is None else "POST"),
        headers=asked.all_headers,
        body=body,
        userinfo=asked.userinfo,
        bearer=asked.bearer,
        seconds=asked.seconds,
        tries=asked.tries,
        followed=asked.followed,
        output=asked.output,
    )


def _options(words: Sequence[str], options: Options) -> Iterator[tuple[str, str]]:
    """Each option that means something here, with its value; addresses as `url`."""
    waiting = iter(words)
    for word in waiting:
        if word == "--":
            yield from (("url", rest) for rest in waiting)
        elif word.startswith("--"):
            given, equals, value = word[2:].partition("=")
            option = _named(given, options)
            yield from _meant(f"--{option.name}", option, value if equals else None, waiting)
        elif word.startswith("-") and len(word) > 1:
            yield from _letters(word[1:], options, waiting)
        else:
            yield "url", word


def _letters(cluster: str, options: Options, waiting: Iterator[str]) -> Iterator[tuple[str, str]]:
    """Of several behind one dash the last may take a value, which then may stand behind it."""
    while cluster:
        # wget has options of two letters.
        letter = cluster[:2] if cluster[:2] in options.by_letter else cluster[0]
        option = options.by_letter.get(letter)
        if option is None:
            raise CannotError(_unknown(f"-{letter}"))
        cluster = cluster[len(letter) :]
        value = cluster or None if option.takes_value else None
        yield from _meant(f"-{letter}", option, value, waiting)
        if option.takes_value:
            return


def _meant(
    shown: str, option: Option, value: str | None, waiting: Iterator[str]
) -> Iterator[tuple[str, str]]:
    if option.refused:
        raise CannotError(f"has {shown}, which {option.refused}")
    if option.takes_value and value is None:
        value = next(waiting, None)
        if value is None:
            raise CannotError(f"has {shown} without what belongs to it")
    if option.meaning:
        yield option.meaning, value or ""


def _named(given: str, options: Options) -> Option:
    """By its name, or by a beginning that no other has."""
    if given in options.by_name:
        return options.by_name[given]
    found = [name for name in options.by_name if given and name.startswith(given)]
    if len(found) != 1:
        raise CannotError(_unknown(f"--{given}"))
    return options.by_name[found[0]]


def _unknown(option: str) -> str:
    shown = option if re.fullmatch(r"-{1,2}[\w.-]{1,40}", option, re.ASCII) else "an option"
    return f"has {shown}, which is not known here; leave it out and import again, if it may go"


def _curl(asked: _Asked, name: str, value: str, stdin: str | None) -> None:
    match name:
        case "data" | "data-binary" | "json" if value.startswith("@"):
            if value != "@-" or stdin is None:
                raise CannotError(f"has --{name} that {REASONS['file']}")
            text = stdin.replace("$", "$$")
            text = text.replace("\n", "") if name == "data" else text
            _curl(asked, "json" if name == "json" else "data-raw", text, None)
        case "data" | "data-binary" | "data-raw":
            asked.add_body(value, "&")
            asked.with_body.setdefault("Content-Type", FORM)
        case "data-urlencode":
            asked.add_body(_encoded(value), "&")
            asked.with_body.setdefault("Content-Type", FORM)
        case "json":
            asked.add_body(value, "")
            asked.with_body = {"Content-Type": "application/json", "Accept": "application/json"}
        case "get":
            asked.as_query = True
        case "remote-name":
            asked.output = "a file of the address's name"
        case "globoff":
            asked.globs = False
        case "retries":
            asked.tries = str(int(value) + 1) if value.isascii() and value.isdigit() else None
        case "cookie":
            if "=" not in value:
                raise CannotError(f"has --cookie that {REASONS['file']}")
            asked.headers.append(("Cookie", value))
        case _:
            _either(asked, name, value)


def _wget(asked: _Asked, name: str, value: str) -> None:
    match name:
        case "body":
            asked.body = value
            asked.with_body.setdefault("Content-Type", FORM)
        case "redirects":
            asked.followed = value != "0"
        case _:
            _either(asked, name, value)


def _either(asked: _Asked, name: str, value: str) -> None:
    match name:
        case "url":
            asked.urls.append(value)
        case "header":
            _header(asked, value)
        case "User-Agent" | "Referer":
            asked.headers.append((name, value))
        case "method":
            asked.method = value
        case "head":
            asked.head = True
        case "output":
            asked.output = "" if value == "-" else value
        case "followed":
            asked.followed = True
        case "userinfo":
            asked.userinfo = value
        case "user":
            asked.user = value
        case "password":
            asked.password = value
        case "bearer":
            asked.bearer = value
        case "seconds":
            asked.seconds = value
        case "tries":
            asked.tries = value
        case _:
            raise AssertionError(name)


def _header(asked: _Asked, text: str) -> None:
    if text.startswith("@"):
        raise CannotError("reads headers from a file; write them out and import again")
    is_empty = ":" not in text and text.endswith(";")  # as curl wants an empty header
    if ":" not in text and not is_empty:
        raise CannotError("has a header without a colon")
    name, _, value = text.removesuffix(";").partition(":") if is_empty else text.partition(":")
    name, value = name.strip(), value.strip()
    asked.headers = [pair for pair in asked.headers if pair[0].lower() != name.lower()]
    if value or is_empty:
        asked.headers.append((name, value))


def _encoded(text: str) -> str:
    """As curl does it: `name=content`, or only content."""
    name, equals, content = text.partition("=")
    if not equals:
        name, content = "", text
    if "@" in name or (not equals and text.startswith("@")):
        raise CannotError(f"has --data-urlencode that {REASONS['file']}")
    if "${" in content:
        raise CannotError(
            "has --data-urlencode of a variable; put what it holds, encoded, into a variable, and "
            "use --data"
        )
    encoded = quote_plus(content.replace("$$", "$"), safe="-._~").replace("+", "%20")
    return f"{name}={encoded}" if name else encoded


def json_object(text: str) -> dict[str, object] | None:
    """The object that the text is, as a worker route reads it; None for anything else."""
    try:
        found = json.loads(text)
    except (ValueError, RecursionError):
        return None
    return found if isinstance(found, dict) and depth(found) <= _DEEPEST else None


def depth(value: object) -> int:
    """How many levels of lists and mappings it has."""
    found, level = 0, [value]
    while outer := [one for one in level if isinstance(one, list | dict)]:
        found += 1
        level = [
            inner for one in outer for inner in (one.values() if isinstance(one, dict) else one)
        ]
    return found
