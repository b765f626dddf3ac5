"""Can no name, subject or address become a header, and is what makes no message an error?"""

from __future__ import annotations

import random
from dataclasses import replace
from typing import Any
from uuid import UUID

import pytest

from jobs.email.lines import MessageError
from jobs.email.message import Queued, compose, message_id, what_is_lacking
from jobs.email.rendering import Renderer
from tests.support.jobs import NOW
from tests.support.mail import parsed

ID = UUID("0197a3f0-0000-7000-8000-000000000001")
LINK = "https://app.example.com/unsubscribe/abc_-"
ROW = Queued(
    id=ID,
    ours=True,
    to_email="ann@example.com",
    to_name=None,
    cc=(),
    bcc=(),
    from_email="news@example.com",
    from_name=None,
    reply_to=None,
    subject="Hello {{ first_name }}",
    html="<p>Hello {{ first_name }}</p>",
    text=None,
    template_id=None,
    variables={"first_name": "Ann"},
    attachments=[],
    attempts=0,
    most_attempts=3,
)
HEADERS = {
    *("From", "To", "Subject", "Date", "Message-ID", "MIME-Version", "Content-Type"),
    *("List-Unsubscribe", "List-Unsubscribe-Post"),
}


def make(link: str | None = LINK, default_sender: str | None = None, **changes: Any) -> Any:
    return compose(
        replace(ROW, **changes),
        Renderer(),
        default_sender=default_sender,
        link=link,
        suppressed=frozenset(),
        now=NOW,
    )


def test_no_text_becomes_a_header() -> None:
    """Names and subjects of every kind of bad character, 300 of them."""
    generator = random.Random(7)
    bad = '\r\n\x00\x0b\x0c\x1c\x85\u2028\u2029\x1b\t :;,<>@"\\()=?éßü中🎉Bcc:x'
    for _ in range(300):
        text = "".join(generator.choice(bad) for _ in range(generator.randrange(1, 60)))
        ready = make(
            subject=f"a {{{{ first_name }}}} {text.replace('{', '')}"[:500],
            variables={"first_name": f"x\r\nBcc: victim@example.com\r\n\r\n{text}"},
            to_name=f"y\nBcc: victim@example.com{text}",
            from_name=f"z\r\n\r\n<script>{text}",
        )
        message = parsed(ready.data)
        assert set(message.keys()) == HEADERS
        assert message.get_all("To", [])[0].addresses[0].addr_spec == "ann@example.com"
        assert message["From"].addresses[0].addr_spec == "news@example.com"
        assert len(message["To"].addresses) == len(message["From"].addresses) == 1
        assert not any(char in message["Subject"] for char in "\r\n\x00\u2028\x85")
        head = ready.data.partition(b"\r\n\r\n")[0]
        assert all(len(line) <= 998 for line in head.split(b"\r\n"))
        assert b"\n" not in ready.data.replace(b"\r\n", b"")


def test_names_of_a_megabyte() -> None:
    name = "Ann " * 250_000
    ready = make(to_name=name, from_name=name, variables={"first_name": name})
    assert len(ready.data) < 10_000
    assert len(ready.subject) <= 500


@pytest.mark.parametrize(
    "address",
    [
        *("", "ann", "@example.com", "ann@", "a@b@c", "a b@example.com", "a@exa mple.com"),
        *("a@example.com, b@example.com", "a@example.com\r\nBcc: b@example.com", "<a@b.com"),
        *("a@example.com>", '"a"@example.com', "a@" + "x" * 300 + ".com", "a;b@example.com"),
    ],
)
def test_what_is_no_address_is_an_error(address: str) -> None:
    for field in ("to_email", "from_email", "reply_to"):
        if field != "reply_to" or address:
            with pytest.raises(MessageError, match=f"{field} is not an address"):
                make(**{field: address})


def test_addresses_of_other_letters() -> None:
    ready = make(to_email="ann@exämple.com")
    assert (ready.to, ready.international) == ("ann@xn--exmple-cua.com", False)
    ready = make(to_email="änn@example.com", to_name="Änn")
    assert (ready.to, ready.international) == ("änn@example.com", True)
    assert "To: Änn <änn@example.com>".encode() in ready.data


def test_a_long_link_stays_one() -> None:
    link = "https://app.example.com/" + "x" * 300
    ready = make(link=link)
    assert f"\r\nList-Unsubscribe: <{link}>\r\n".encode() in b"\r\n" + ready.data
    for bad in ("https://a b", "https://a\r\nX: y", "https://a>b", "ftp://a"):
        with pytest.raises(MessageError, match="PUBLIC_URL"):
            make(link=bad)


def test_the_link_is_shown_once() -> None:
    def parts(**changes: Any) -> tuple[str, str]:
        message = parsed(make(**changes).data)
        html, text = message.get_body(("html",)), message.get_body(("plain",))
        assert html is not None
        assert text is not None
        return html.get_content(), text.get_content()

    html, text = parts()
    assert html.count(LINK) == text.count(LINK) == 1
    html, text = parts(html="<a href='{{ unsubscribe_url }}'>leave</a>")
    assert html.count(LINK) == text.count(LINK) == 1
    html, text = parts(html="<html><BODY>x</BODY></html>", text="{{ first_name }}")
    assert html.index(LINK) < html.index("</BODY>")
    assert text == f"Ann\n\n--\nUnsubscribe: {LINK}\n"
    html, _ = parts(html="İ" * 50 + "</body>tail")
    assert html.count(LINK) == 1


def test_the_id_is_the_rows() -> None:
    assert message_id(ROW) == f"<{ID}@example.com>"
    assert make().message_id == make(subject="other").message_id
    for odd in ("", "x@", "x@a b", "x@a\r\nb", "x@-"):
        assert message_id(replace(ROW, from_email=odd)) == f"<{ID}@localhost>"


def test_the_default_sender_is_only_for_who_names_none() -> None:
    nobody = {"from_email": "newsletter@localhost", "default_sender": "The News <n@example.org>"}
    assert parsed(make(**nobody).data)["From"] == "The News <n@example.org>"
    plain = {"from_email": "newsletter@localhost", "default_sender": "n@example.org"}
    assert parsed(make(**plain).data)["From"] == "n@example.org"
    assert parsed(make(default_sender="n@example.org").data)["From"] == "news@example.com"
    with pytest.raises(MessageError, match="MAIL_FROM"):
        make(from_email="newsletter@localhost", default_sender="nobody")
    named = make(from_email="The Shop <shop@example.com>")
    assert (parsed(named.data)["From"], named.sender) == (
        "The Shop <shop@example.com>",
        "shop@example.com",
    )
    assert named.message_id == make().message_id


@pytest.mark.parametrize(
    ("public_url", "sender", "lacking"),
    [
        ("https://app.example.com", "News <n@example.com>", []),
        (None, None, ["PUBLIC_URL is set", "MAIL_FROM is set"]),
        ("https://exämple.com", "n@example.com", ["PUBLIC_URL is one of plain ASCII letters"]),
        ("https://app.example.com/a b", "n", ["PUBLIC_URL is one of", "MAIL_FROM is an address"]),
    ],
)
def test_settings_that_no_message_can_be_made_with(
    public_url: str | None, sender: str | None, lacking: list[str]
) -> None:
    said = what_is_lacking(public_url, sender)
    assert len(said) == len(lacking)
    assert all(one.startswith(other) for one, other in zip(said, lacking, strict=True))


@pytest.mark.parametrize(
    ("attachments", "message"),
    [
        ({"a": 1}, "not a list"),
        ([{"filename": "x", "path": "/etc/passwd"}], "files and addresses are not fetched"),
        ([{"filename": "x", "href": "http://10.0.0.1/"}], "files and addresses are not fetched"),
        ([{"content": "!!!", "encoding": "base64"}], "no base64"),
        ([{"content": "x", "encoding": "hex"}], "base64 or utf-8"),
        ([{"content": "x", "contentType": "text/plain\r\nX: y"}], "contentType"),
        ([{"content": "x", "contentType": "message/rfc822"}], "contentType"),
        ([{"content": "x" * 6_000_000}] * 2, "larger than"),
        (["x"], "no content"),
        ([{"content": {"type": "Buffer", "data": 10**12}}], "neither a text nor"),
        ([{"content": {"type": "Buffer", "data": [1, 256]}}], "neither a text nor"),
        ([{"content": {"type": "Buffer", "data": [1, "a"]}}], "neither a text nor"),
        ([{"content": {"data": [1]}}], "neither a text nor"),
    ],
)
def test_attachments_are_what_the_row_holds(attachments: object, message: str) -> None:
    with pytest.raises(MessageError, match=message):
        make(attachments=attachments)


def test_attachments_as_products_write_them() -> None:
    attachments = [
        {"filename": "a.bin", "content": {"type": "Buffer", "data": [0, 255, 13, 10]}},
        {"filename": "a.png", "content": "iVBORw==", "encoding": "base64", "cid": "logo@shop"},
        {"filename": "b.png", "content": "x", "cid": "a>\r\nX-Evil: 1"},
    ]
    made = make(attachments=attachments, reply_to="Support <help@example.com>")
    message = parsed(made.data)
    first, second, third = message.iter_attachments()
    assert first.get_payload(decode=True) == b"\x00\xff\r\n"
    assert (second["Content-ID"], third["Content-ID"]) == ("<logo@shop>", None)
    assert b"X-Evil" not in made.data
    assert message["Reply-To"] == "Support <help@example.com>"


def test_too_many_recipients() -> None:
    with pytest.raises(MessageError, match="more than 100 recipients"):
        make(bcc=[f"{n}@example.com" for n in range(100)])


def test_a_broken_template_names_its_part() -> None:
    for field, name in (("subject", "subject"), ("html", "html_body"), ("text", "text_body")):
        with pytest.raises(MessageError, match=f"{name}: "):
            make(**{field: "{{ ''.__class__ }}"})


def test_every_server_can_take_it() -> None:
    ready = make(html="<p>Grüße, {{ first_name }}</p>", variables={"first_name": "Änn 🎉"})
    assert ready.data.isascii()
    body = parsed(ready.data).get_body(("plain",))
    assert body is not None
    assert body.get_content().startswith("Grüße, Änn 🎉\n")


def test_long_lines_and_dots_arrive_as_they_are() -> None:
    text = "." + "x" * 5000 + "\n.\n..end"
    message = parsed(make(ours=False, link=None, html="<p>" + "y" * 5000, text=text).data)
    body = message.get_body(("plain",))
    assert body is not None
    assert body.get_content() == text + "\n"


ENCODED = (
    "=?utf-8?q?x=0D=0ABcc:_evil@example.com=0D=0A=0D=0ABuy?=",
    "=?utf-8?b?eA0KQmNjOiBlQHguY29t?=",
    "=?utf-8?q?=FF?=(=D0",
    "=0D日本=?us-ascii?q?/w==AA==?=",
    "=\x00?utf-8?q?x=0D=0ABcc:_e@x.com?=",
    "==??utf-8?q?x=0D=0ABcc:_e@x.com?=?=",
)


@pytest.mark.parametrize("text", ENCODED)
def test_an_encoded_word_is_no_header_and_fails_nobody(text: str) -> None:
    ready = make(to_name=text, from_name=text, subject=text)
    message = parsed(ready.data)
    assert len(message.get_all("To", [])) == len(message.get_all("Subject", [])) == 1
    assert "Bcc" not in message
    assert b"\nBcc:" not in ready.data
    assert message["Message-ID"] == ready.message_id
    with pytest.raises(MessageError, match="is not an address"):
        make(to_email="=?utf-8?q?x=0D=0A?=@example.com")


def test_half_a_surrogate_pair_is_replaced() -> None:
    assert b"?" in make(html="<p>\ud800</p>", text="\udcff").data
