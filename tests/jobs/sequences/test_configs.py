"""Is what is wrong with a sequence said with its place, while the others go on?"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any, get_args

import pytest
from pydantic import SecretStr

from jobs.sequences import configs, model
from jobs.sequences.configs import MOST_DAYS, TimeField
from jobs.sequences.webhooks import filled
from scheduler.outbound.address import AddressError, check_url, is_public
from scheduler.services import Services, Webhooks
from tests.support.sequences import A_DAY, A_MINUTE, A_MOMENT, SEEN, Letters

HOSTS = frozenset({"hooks.example.com", "other.example.com:8443"})
DEEP = "[" * 5000 + "]" * 5000

BAD_TRIGGERS: list[tuple[str, object, str, str]] = [
    ("signup", {"source": "website"}, "trigger_config.source", "is not known here"),
    ("signup", "[]", "trigger_config", "object"),
    ("signup", '"text"', "trigger_config", "object"),
    ("signup", "12", "trigger_config", "object"),
    ("manual", {"note": "x"}, "trigger_config.note", "no keys at all"),
    ("event", {}, "trigger_config.event", "required"),
    ("event", {"event": None}, "trigger_config.event", "string"),
    ("event", {"event": 7}, "trigger_config.event", "string"),
    ("event", {"event": ["a"]}, "trigger_config.event", "string"),
    ("event", {"event": {"$ne": ""}}, "trigger_config.event", "string"),
    ("event", {"event": ""}, "trigger_config.event", "at least 1"),
    ("event", {"event": "x" * 101}, "trigger_config.event", "at most 100"),
    ("event", {"event": "x", "where": {}}, "trigger_config.where", "there may be event"),
    ("event", {"event": "x" * 30_000}, "trigger_config", "longer than 20,000"),
    ("event", f'{{"event": {DEEP}}}', "trigger_config", ""),
    ("segment_joined", {}, "trigger_config", "needs segment"),
    ("segment_joined", {"segment": "nowhere"}, "trigger_config.segment", "no such segment"),
    ("segment_joined", {"segment_id": "12"}, "trigger_config.segment_id", "UUID"),
    ("segment_joined", {"segment": "a", "delay_days": -1}, "trigger_config.delay_days", "0"),
    ("segment_joined", {"segment": "a", "delay_days": "3"}, "trigger_config.delay_days", "int"),
    ("segment_joined", {"segment": "a", "delay_days": 1.5}, "trigger_config.delay_days", "int"),
    ("segment_joined", {"segment": "a", "delay_days": 10**9}, "trigger_config.delay_days", "3650"),
    ("segment_joined", f'{{"segment": "a", "delay_days": {"9" * 5000}}}', "trigger_config", ""),
    (
        "segment_joined",
        {"segment": "a", "segment_id": "11111111-1111-1111-1111-111111111111"},
        "trigger_config",
        "either",
    ),
    ("tag_added", {"tag": " "}, "trigger_config.tag", "pattern"),
    ("tag_added", {"tag": True}, "trigger_config.tag", "string"),
    ("date_field", {"field": "user.password"}, "trigger_config.field", "subscription_ends_at"),
    ("date_field", {"field": "x'; DROP TABLE app_users; --"}, "trigger_config.field", "created_at"),
    ("date_field", {"field": "created_at", "offset_days": 4000}, "trigger_config.offset_days", ""),
]


@pytest.mark.parametrize(("trigger_type", "config", "path", "said"), BAD_TRIGGERS)
async def test_a_broken_trigger_is_named_and_the_others_go_on(
    letters: Letters, trigger_type: str, config: object, path: str, said: str
) -> None:
    await letters.sequence("broken", trigger_type, config)
    await letters.sequence("whole")
    await letters.run()
    await letters.subscriber("anna", SEEN + A_MOMENT)
    data = await letters.later(A_MINUTE)
    (problem,) = data["errorDetails"]
    assert problem["sequence"] == "broken"
    assert problem["path"].startswith(path)
    assert said in problem["message"]
    assert len(problem["message"]) < 1000
    assert (data["errors"], data["enrolled"], data["queued"]) == (1, 1, 1)


BAD_STEPS: list[tuple[dict[str, Any], str, str]] = [
    ({"subject": None}, "steps[1].subject", "is empty"),
    ({"content_html": ""}, "steps[1].content_html", "is empty"),
    ({"content_html": "x" * 600_000}, "steps[1].content_html", "512 KiB"),
    ({"delay_value": -1}, "steps[1].delay_value", "0 or more"),
    ({"delay_value": 2**31 - 1, "delay_unit": "weeks"}, "steps[1].delay_value", str(MOST_DAYS)),
    ({"action_type": "tag"}, "steps[1].action_config.tag", "required"),
    ({"action_type": "tag", "action_config": "null"}, "steps[1].action_config", "object"),
    ({"action_type": "tag", "action_config": {"tag": {}}}, "steps[1].action_config.tag", "string"),
    ({"action_type": "segment"}, "steps[1].action_config", "either segment"),
    (
        {"action_type": "segment", "action_config": {"segment": "nowhere"}},
        "steps[1].action_config.segment",
        "no such segment",
    ),
    (
        {"action_type": "segment", "action_config": {"segment": "dynamic"}},
        "steps[1].action_config.segment",
        "static",
    ),
    ({"action_type": "wait_until"}, "steps[1].action_config", "either until"),
    (
        {"action_type": "wait_until", "action_config": {"until": "tomorrow"}},
        "steps[1].action_config.until",
        "datetime",
    ),
    (
        {"action_type": "wait_until", "action_config": {"until": "9999-12-31T23:59:59-14:00"}},
        "steps[1].action_config.until",
        "calendar",
    ),
    (
        {"action_type": "wait_until", "action_config": {"field": "user.email"}},
        "steps[1].action_config.field",
        "",
    ),
    (
        {"action_type": "webhook", "action_config": {"url": "http://hooks.example.com/"}},
        "steps[1].action_config.url",
        "https",
    ),
    (
        {"action_type": "webhook", "action_config": {"url": "https://evil.example.com/"}},
        "steps[1].action_config.url",
        "WEBHOOK_HOSTS",
    ),
    (
        {"action_type": "webhook", "action_config": {"url": "https://hooks.example.com/"}},
        "steps[1].action_config.url",
        "WEBHOOK_SIGNING_KEY",
    ),
    (
        {
            "action_type": "webhook",
            "action_config": {"url": "https://hooks.example.com/", "headers": {}},
        },
        "steps[1].action_config.headers",
        "there may be url, body",
    ),
]


@pytest.mark.parametrize(("step", "path", "said"), BAD_STEPS)
async def test_whoever_comes_to_a_broken_step_waits_until_it_is_mended(
    letters: Letters, step: dict[str, Any], path: str, said: str
) -> None:
    letters.services = Services(webhooks=Webhooks(HOSTS))
    await letters.sql.add_segment(letters.pool, slug="dynamic", is_dynamic=True)
    sequence = await letters.sequence("broken", steps=())
    broken = await letters.step(sequence, **{"step_order": 1, **step})
    await letters.sequence("whole")
    await letters.run()
    await letters.subscriber("anna", SEEN + A_MOMENT)
    data = await letters.later(A_MINUTE)
    (problem,) = data["errorDetails"]
    assert (problem["sequence"], problem["path"]) == ("broken", path)
    assert said in problem["message"]
    assert (data["queued"], data["completed"]) == (1, 1)
    assert await letters.statuses() == ["active", "completed"]
    await letters.sql.mend_step(letters.pool, id=broken)
    data = await letters.later(A_DAY)
    assert (data["errors"], data["completed"]) == (0, 1)


async def test_a_sequence_of_too_many_steps_waits(letters: Letters) -> None:
    await letters.sequence("endless", steps=[{}] * (model.MOST_STEPS + 1))
    data = await letters.run()
    assert data["errorDetails"][0]["path"] == "steps"
    await letters.subscriber("anna", SEEN + A_MOMENT)
    assert (await letters.later(A_MINUTE))["enrolled"] == 0


async def test_hostile_names_are_only_names(letters: Letters) -> None:
    hostile = "'; DROP TABLE email_queue; -- {{ ''.__class__ }} \N{SMILING FACE WITH HORNS} $1 :now"
    await letters.sequence(
        hostile,
        "event",
        {"event": hostile},
        steps=({"name": hostile}, {"action_type": "tag", "action_config": {"tag": hostile}}),
    )
    await letters.run()
    user = await letters.shop.user()
    reader = await letters.subscriber("anna", user_id=user, first_name=hostile, last_name="\x01")
    await letters.sql.add_event(letters.pool, event=hostile, user_id=user, at=SEEN + A_MOMENT)
    assert (await letters.later(A_MINUTE))["completed"] == 1
    (message,) = await letters.messages()
    assert message["template_data"]["first_name"] == hostile
    assert message["template_data"]["step"] == hostile
    assert await letters.sql.interests(letters.pool, id=reader) == [hostile]


def test_the_queries_know_every_time_field() -> None:
    folder = Path(configs.__file__).parent
    for name in ("steps.sql", "enrolment.sql"):
        text = (folder / name).read_text(encoding="utf-8")
        known = dict(re.findall(r"WHEN '([a-z_.]+_at)' THEN ([su]\.\w+)", text))
        assert set(known) == set(get_args(TimeField))
        for field, column in known.items():
            table, _, of = field.rpartition(".")
            assert column == f"{'u' if table else 's'}.{of}"


@pytest.mark.parametrize(
    "url",
    [
        "https://hooks.example.com",
        "https://HOOKS.example.com/path?query=1#part",
        "https://hooks.example.com:443/",
        "https://other.example.com:8443/",
    ],
)
def test_addresses_that_may_be_called(url: str) -> None:
    assert check_url(url, HOSTS)[0].endswith(".example.com")


@pytest.mark.parametrize(
    "url",
    [
        "",
        "hooks.example.com",
        "http://hooks.example.com/",
        "ftp://hooks.example.com/",
        "//hooks.example.com/",
        "https:///path",
        "https://hooks.example.com.evil.com/",
        "https://evil.com/hooks.example.com",
        "https://hooks.example.com./",
        "https://sub.hooks.example.com/",
        "https://hooks.example.com:8443/",
        "https://hooks.example.com:80/",
        "https://hooks.example.com:0/",
        "https://hooks.example.com:99999/",
        "https://hooks.example.com:x/",
        "https://other.example.com/",
        "https://user@hooks.example.com/",
        "https://user:password@hooks.example.com/",
        "https://hooks.example.com@evil.com/",
        "https://evil.com\\@hooks.example.com/",
        "https://hooks.example.com\\.evil.com/",
        "https://hooks.example.com /",
        "https://hooks.example.com\t/",
        "https://hooks.example.com/\r\nHost: evil.com",
        "https://hооks.example.com/",  # noqa: RUF001 - Cyrillic letters are what is refused
        "https://127.0.0.1/",
        "https://2130706433/",
        "https://0x7f000001/",
        "https://0x7f.1/",
        "https://017700000001/",
        "https://127.1/",
        "https://[::1]/",
        "https://[::ffff:127.0.0.1]/",
        "https://[hooks.example.com]/",
        "https://localhost/",
    ],
)
def test_addresses_that_may_not_be_called(url: str) -> None:
    with pytest.raises(AddressError):
        check_url(url, HOSTS)


def test_an_ip_address_stays_refused_where_it_is_listed() -> None:
    for host in ("127.0.0.1", "2130706433", "0x7f000001"):
        with pytest.raises(AddressError, match="not an IP address"):
            check_url(f"https://{host}/", {host})


@pytest.mark.parametrize("address", ["93.184.216.34", "8.8.8.8", "2606:2800:220:1::1"])
def test_public_addresses(address: str) -> None:
    assert is_public(address)


@pytest.mark.parametrize(
    "address",
    [
        *("0.0.0.0", "10.0.0.1", "100.64.0.1", "127.0.0.1", "127.255.255.254", "169.254.169.254"),
        *("172.16.0.1", "192.168.1.1", "192.0.2.1", "198.18.0.1", "224.0.0.1", "240.0.0.1"),
        *("255.255.255.255", "::", "::1", "fe80::1", "fe80::1%eth0", "fc00::1", "fd12::1"),
        *("fec0::1", "ff02::1", "::ffff:127.0.0.1", "::ffff:10.0.0.1", "2002:7f00:1::"),
        *("64:ff9b::7f00:1", "64:ff9b::a00:1", "2001:0:4136:e378:8000:63bf:3fff:fdd2"),
        *("2001:db8::1", "hooks.example.com", "", "2130706433"),
    ],
)
def test_addresses_that_are_not_public(address: str) -> None:
    assert not is_public(address)


def test_variables_are_filled_in_texts_only() -> None:
    values = {"email": "a@example.com", "name": "{{ email }}"}
    body: Any = {"to": "<{{ email }}>", "{{ email }}": ["{{name}}", "{{ other }}", 1, None]}
    assert filled(body, values) == {
        "to": "<a@example.com>",
        "{{ email }}": ["{{ email }}", "{{ other }}", 1, None],
    }


def test_a_signing_key_is_not_shown() -> None:
    assert "hush" not in repr(Webhooks(HOSTS, SecretStr("hush")))
