"""Does no secret, and nobody's address, get into what is logged or kept?"""

from __future__ import annotations

import json
import re
from base64 import b64encode, urlsafe_b64encode
from collections.abc import Mapping
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any
from urllib.parse import quote, quote_plus
from uuid import UUID

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from pydantic import SecretStr

from scheduler.run import Status
from scheduler.settings import Settings
from scheduler.watching.redaction import (
    MOST_DEPTH,
    MOST_ITEMS,
    MOST_PARTS,
    MOST_TEXT,
    UNMISTAKABLE,
    Redactor,
)
from scheduler.watching.shapes import is_secret_name, without_shapes

SECRETS = st.text(
    st.characters(min_codepoint=33, max_codepoint=0x2FFF, exclude_categories=["Cs", "Zs", "Cc"]),
    min_size=UNMISTAKABLE,
    max_size=60,
)
AROUND = st.text(st.sampled_from("ab Z9=:/@\"'{}\\%\n…"), max_size=20)


def forms(secret: str, before: str, after: str) -> list[str]:
    """How a secret may come to stand in a text."""
    mixed = "".join(
        char if n % 2 else "".join(f"%{byte:02X}" for byte in char.encode())
        for n, char in enumerate(secret)
    )
    whole = f"{before}:{secret}".encode()
    return [
        secret,
        repr(secret),
        repr({"x": [secret]}),
        repr(secret.encode()),
        json.dumps({"x": secret}),
        json.dumps(secret, ensure_ascii=False),
        quote(secret),
        quote(secret, safe=""),
        quote(secret, safe="").lower() if secret.islower() else quote_plus(secret),
        mixed,
        b64encode(secret.encode()).decode(),
        b64encode(whole).decode(),
        b64encode(whole + after.encode()).decode(),
        urlsafe_b64encode(whole).decode().rstrip("="),
        secret.encode().hex(),
    ]


@given(SECRETS, AROUND, AROUND)
@example("p%41ss+word/with=all&of?it", "", "")
@example("ßecret-\N{SNOWMAN}-of-unicode", "user", "x")
@settings(max_examples=150, deadline=None)
def test_a_known_secret_is_found_in_every_form(secret: str, before: str, after: str) -> None:
    redactor = Redactor([secret])
    core = b64encode(secret.encode()).decode()[2:-4]
    for form in forms(secret, before, after):
        shown = redactor.without_secrets(f"{before}{form}{after}")
        assert secret not in shown
        assert form not in shown
        assert core not in shown


@given(SECRETS, st.integers(-80, 80), st.booleans())
@settings(max_examples=200, deadline=None)
def test_no_part_of_a_secret_stays_where_a_text_is_cut(
    secret: str, shift: int, encoded: bool
) -> None:
    form = quote(secret, safe="") if encoded else secret
    redactor = Redactor([secret])
    for place in (MOST_TEXT // 2, MOST_TEXT * 3 - MOST_TEXT // 2):
        start = place + shift
        text = "." * start + form + "." * (MOST_TEXT * 3 - start)
        shown = redactor.text(text)
        assert len(shown) <= MOST_TEXT + 3
        assert set(shown) <= set(".*… ")


def test_what_is_cut_keeps_its_beginning_and_its_end() -> None:
    text = "first " + "x " * 100_000 + " last"
    shown = Redactor().text(text)
    assert shown.startswith("first x x")
    assert shown.endswith("x  last")
    assert " … " in shown
    assert len(shown) <= MOST_TEXT + 3


def test_a_short_secret_is_hidden_where_it_is_no_part_of_a_word() -> None:
    redactor = Redactor(["postgres", "abc"])
    assert redactor.text("postgresql says: user postgres, postgres:5432 (abc)") == (
        "postgresql says: user ***, ***:5432 (abc)"
    )


PEM = "-----BEGIN RSA PRIVATE KEY-----\n{}\n-----END RSA PRIVATE KEY-----\n".format(
    "\n".join(f"MIIE{n:02d}{'qT7xQ' * 11}+/" for n in range(5))
)


@pytest.mark.parametrize("key", [PEM, PEM.replace("\n", "\\n")])
def test_a_key_of_several_lines_is_hidden_in_pieces_too(key: str) -> None:
    redactor = Redactor([key])
    for text in (key, PEM, repr(PEM), json.dumps(PEM), PEM.splitlines()[2], PEM.replace("\n", " ")):
        assert "qT7xQ" not in redactor.text(f"could not read {text}")


def all_secrets(canary: str) -> Settings:
    """Settings in which everything that is secret holds the canary."""
    values: dict[str, Any] = {
        name: SecretStr(f"{canary}-{name}")
        for name, field in Settings.model_fields.items()
        if "SecretStr" in str(field.annotation)
    }
    values["database_url"] = SecretStr(
        f"postgresql://app:{quote(canary + '/db', safe='')}@db/x?sslpassword={canary}-ssl"
    )
    values["smtp_url"] = SecretStr(f"smtp://mailer:{canary}-smtp@mail.example.com:587")
    return Settings.model_construct(**values)


CANARY = "kQ7-canary_zZ93"


class Odd:
    def __str__(self) -> str:
        return f"Odd({CANARY}-openai_api_key)"


class Broken:
    def __str__(self) -> str:
        raise ValueError(CANARY)


class BrokenMapping(dict[str, str]):
    def items(self) -> Any:
        raise RuntimeError(CANARY)


def places(secret: str) -> Mapping[str, object]:
    """Values that hold it, each in another way."""
    return {
        "plain": secret,
        "nested": {"a": [{"b": (secret, {secret})}, {secret: 1}]},
        "deep": {"a": {"a": {"a": {"a": {"a": {"a": {"a": {"a": [secret]}}}}}}}},
        "bytes": b"\xff" + secret.encode(),
        "array": bytearray(secret.encode()),
        "error": ValueError(f"no access with {secret!r}"),
        "odd": Odd(),
        "object": type("Thing", (), {"__repr__": lambda _: f"<{secret}>"})(),
        "path": Path("/x") / secret,
        "long": "x " * 50_000 + secret,
        "url": f"https://user:{quote(secret, safe='')}@example.com/",
        "basic": f"Basic {b64encode(f'user:{secret}'.encode()).decode()}",
        "plain auth": b64encode(f"\0user\0{secret}".encode()).decode(),
        "json": json.dumps(json.dumps({"x": secret})),
    }


def test_no_secret_of_any_setting_is_shown_wherever_it_stands() -> None:
    made = all_secrets(CANARY)
    redactor = Redactor(made.secret_values)
    names = [name for name, value in made if isinstance(value, SecretStr)]
    assert len(names) >= 18
    for secret in made.secret_values:
        shown = json.dumps(redactor.fields({"event": secret, **places(secret)}))
        assert CANARY not in shown
        for offset in range(3):
            core = b64encode(b"x" * offset + secret.encode()).decode()[4:16]
            assert core not in shown
    assert {f"{CANARY}-smtp", f"{CANARY}/db", f"{CANARY}-ssl"} <= made.secret_values


@pytest.mark.parametrize(
    ("address", "secrets"),
    [
        ("postgresql://app:one,two@a:1,b:2/x?sslmode=require", {"one,two"}),
        ("postgresql://app:p%40ss@db/x?password=other", {"p@ss", "other"}),
        ("postgresql://app@db/x", set()),
        ("postgresql://app:a:b@c@db/x", {"a:b@c"}),
        ("smtp://u:first@a smtps://u:second@b", {"first", "second"}),
    ],
)
def test_passwords_within_addresses_are_secrets(address: str, secrets: set[str]) -> None:
    made = Settings.model_construct(smtp_url=SecretStr(address), cron_secret=None)
    assert secrets | {address} <= made.secret_values
    shown = Redactor(made.secret_values).text(" ".join(f"<{one}>" for one in secrets))
    assert not any(one in shown for one in secrets)


def test_what_cannot_be_written_is_said_to_be_so() -> None:
    shown = Redactor().fields({"a": Broken(), "b": BrokenMapping(), "c": 1})
    assert shown == {
        "a": "(Broken that cannot be written: ValueError)",
        "b": "(BrokenMapping that cannot be written: RuntimeError)",
        "c": 1,
    }


def test_plain_values_stay_what_they_are() -> None:
    values: dict[str, object] = {
        "none": None,
        "yes": True,
        "n": 7,
        "f": 1.5,
        "text": "a plain text",
        "id": UUID("f5289adc-2227-4a15-ac31-34abc143358f"),
        "at": datetime(2026, 3, 10, tzinfo=UTC),
        "day": date(2026, 3, 10),
        "took": timedelta(seconds=3),
        "cost": Decimal("1.20"),
        "status": Status.FAILED,
        "list": [1, "a"],
        "tuple": (1,),
        "map": {1: 2},
    }
    assert Redactor(["something-secret"]).fields(values) == {
        "none": None,
        "yes": True,
        "n": 7,
        "f": 1.5,
        "text": "a plain text",
        "id": "f5289adc-2227-4a15-ac31-34abc143358f",
        "at": "2026-03-10T00:00:00+00:00",
        "day": "2026-03-10",
        "took": "0:00:03",
        "cost": "1.20",
        "status": "failed",
        "list": [1, "a"],
        "tuple": [1],
        "map": {"1": 2},
    }


def test_a_line_is_bounded() -> None:
    wide: dict[str, object] = {f"k{n}": list(range(1000)) for n in range(1000)}
    endless: list[object] = []
    endless.append(endless)
    shown = Redactor().fields({"wide": wide, "endless": endless, "last": "is still there"})
    assert len(json.dumps(shown)) < 20 * MOST_PARTS + 10_000
    assert len(str(shown["endless"])) < 500
    found = Redactor().fields({"items": list(range(1000))})["items"]
    assert isinstance(found, list)
    assert len(found) == MOST_ITEMS + 1
    deep: object = "bottom"
    for _ in range(MOST_DEPTH + 2000):
        deep = [deep]
    assert len(json.dumps(Redactor().fields({"deep": deep}))) < MOST_TEXT * 2


@pytest.mark.parametrize(
    ("name", "is_secret"),
    [
        *((name, True) for name in ("password", "PASSWORD", "db_password", "userPassword")),
        *((name, True) for name in ("token", "GITHUB_TOKEN", "accessToken", "x-access-token")),
        *((name, True) for name in ("secret", "clientSecret", "cron_secret", "Authorization")),
        *((name, True) for name in ("api_key", "apiKey", "X-Api-Key", "APIKEY", "private_key")),
        *((name, True) for name in ("encryption_key", "webhook_signing_key", "Set-Cookie", "dsn")),
        *((name, False) for name in ("tokens_in", "max_tokens", "key", "job", "primary_key")),
        *((name, False) for name in ("event", "passed", "author", "keys", "authors", "monkey")),
    ],
)
def test_names_say_what_is_secret(name: str, is_secret: bool) -> None:
    assert is_secret_name(name) is is_secret
    shown = Redactor().fields({"x": {name: "value"}, name: {"deep": ["value"]}, "n": {name: None}})
    assert ("value" in json.dumps(shown)) is not is_secret
    assert shown["n"] == {name: None}


TOKEN = "ghp_" + "a1B2" * 9


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("postgresql://app:pa@ss@db:5432/x failed", "postgresql://***@db:5432/x failed"),
        ("smtps://me%40x.org:s3@mail.example.com", "smtps://***@mail.example.com"),
        ("redis://:p@h and https://a.example/@b", "redis://***@h and https://a.example/@b"),
        ("host=db password=hunter2 user=x", "host=db password=*** user=x"),
        ("?token=abc&x=1&api_key=def", "?token=***&x=1&api_key=***"),
        ('{"token": "abc", "n": 1}', '{"token": ***, "n": 1}'),
        ("{'client_secret': 'a\\'b', 'n': 1}", "{'client_secret': ***, 'n': 1}"),
        ('{\\"password\\": \\"abc\\"}', '{\\"password\\": ***}'),
        ("password: hunter2", "password: ***"),
        ("Authorization: Bearer abc.def-1", "Authorization: ***"),
        ("Cookie: a=b; c=d\nHost: x", "Cookie: ***\nHost: x"),
        ("X-Api-Key: s3cr3t", "X-Api-Key: ***"),
        ("sent Bearer abcDEF123 to it", "sent Bearer *** to it"),
        ("Basic dXNlcjpwYXNz", "Basic ***"),
        (f"with {TOKEN}.", "with ***."),
        ("github_pat_" + "A" * 30, "***"),
        ("sk-proj-" + "aB1_" * 10, "***"),
        ("xkeysib-" + "0f" * 20 + "-Ab12", "***"),
        ("0123456789abcdef" * 2 + "-us21", "***"),
        ("eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.dBjftJeZ4CVP", "***"),
        ("https://hooks.slack.com/services/T0/B0/abc", "https://hooks.slack.com/services/***"),
        ("bot 123456789:" + "A" * 35, "bot ***"),
        ("no user ann.b+tag@mail.example.org!", "no user …@mail.example.org!"),
        ("<Ann@Example.ORG>, 'bob@ex.de'", "<…@Example.ORG>, '…@ex.de'"),
        ("mailto:jörg@bücher.example", "mailto:…@bücher.example"),
    ],
)
def test_what_looks_like_a_secret_is_hidden(text: str, shown: str) -> None:
    assert without_shapes(text) == shown
    assert without_shapes(shown) == shown, "twice is once"


@pytest.mark.parametrize(
    "text",
    [
        "basic authentication is not enough, nor a bearer token",
        "CRON_SECRET must have 16 characters or more",
        "the token is used up; 3 tokens are left",
        "funnel_computed key=funnel",
        "config.yaml:7: jobs.count.cron: must be five fields",
        "https://api.github.com/repos/octocat/hello/pulls?page=2",
        "lamplighter@1.2.3 and @someone in a suggestion",
        "task-list of the risk-assessment desk-clerk",
        "2026-11-25T02:15:24.330947Z f5289adc-2227-4a15-ac31-34abc143358f",
        'relation "app_users" does not exist',
        "max_tokens=500 tokens_in=7",
    ],
)
def test_what_does_not_stays_as_it_is(text: str) -> None:
    assert without_shapes(text) == text


@pytest.mark.parametrize(
    ("unit", "end"),
    [
        *(("a", ""), ("a", "@"), ("a@", ""), ("@", ""), ("a.", "@"), ("x@a.", ""), ("a.", "@a.b")),
        *(
            ("password=", ""),
            ('password="', ""),
            ("password ", "="),
            ("x://", "@"),
            ('"', "token="),
        ),
        *(
            ("Bearer ", ""),
            ("Bearer a", ""),
            ("authorization:", ""),
            ("x-", "key:"),
            ("eyJ", ".a."),
        ),
        *(("-----BEGIN PRIVATE KEY-----", ""), ("1:", ""), ("123456789:", ""), ("token : ", "")),
        *(('\\"', "secret="), (" ", "password="), ("api_key", ""), ("%41", ""), ("gh", "p_")),
    ],
)
@pytest.mark.timeout(30)
def test_no_text_takes_longer_than_its_length(unit: str, end: str) -> None:
    """With a pattern that goes back and forth, this would take minutes."""
    text = unit * (500_000 // len(unit)) + end
    assert len(without_shapes(text)) <= len(text) * 2
    assert len(Redactor(["p%41ss+word/with"]).without_secrets(text)) <= len(text)


def test_what_a_run_returned_is_kept_as_it_is_unless_a_secret_is_in_it() -> None:
    redactor = Redactor([f"{CANARY}-x"])
    data: dict[str, Any] = {"sent": 3, "errorDetails": ["to a@example.org: token=5"], "n": None}
    assert redactor.kept(data) is data
    hidden = redactor.kept({**data, "why": [{"x": f"a {CANARY}-x b"}], f"{CANARY}-x": 1})
    assert hidden == {**data, "why": [{"x": "a *** b"}], "***": 1}
    assert redactor.kept(None) is None


@given(st.text(max_size=300))
@settings(max_examples=300, deadline=None)
def test_any_text_is_taken_and_twice_is_once(text: str) -> None:
    redactor = Redactor(["a-secret-of-the-settings"])
    once = redactor.text(text)
    assert redactor.text(once) == once


def test_addresses_leave_no_trace_of_who_it_was() -> None:
    shown = Redactor().fields({"to": ["ann@example.org"], "error": "550 <bob@example.net> unknown"})
    assert not re.search("ann|bob", json.dumps(shown))
    assert "example.org" in json.dumps(shown)
