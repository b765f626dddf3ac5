"""Requests that are no good, and how the server may take each of them.

A trial is one connection with three requests on it. The first, `a`, is the attack; `s` stands
hidden inside of it where a second reader of the same bytes would see a request of its own; `b`
follows and asks for the connection's end. Each path holds its name and is repeated in its answer,
so an answer can be told from any other. Whatever the server makes of `a`, it may not answer `s`,
and what it answers comes in the order a, b.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass

from tests.faults.attacks.target import ADMIN, CRON

SECRET = f"Authorization: Bearer {CRON}\r\n".encode()
OPERATOR = f"Authorization: Bearer {ADMIN}\r\n".encode()
ODD_SPACES = [b"\t", b" ", b"\x0b", b"\x0c", b"\r", b"\xa0", b"\x00", b"\r\n ", b"\r\n\t"]
CHUNKED = [
    b"chunked",
    b"Chunked",
    b"CHUNKED",
    b" chunked ",
    b"\tchunked",
    b"chunked\t",
    b"xchunked",
    b"chunked, identity",
    b"identity, chunked",
    b"identity",
    b"gzip, chunked",
    b"chunked, chunked",
    b"chunked;q=1",
    b'"chunked"',
    b"chunk",
    b"\x0bchunked",
    b"chunked\x00",
    b"chun\tked",
    b"\r\n chunked",
    b"x\r\n\tchunked",
    b", chunked",
    b"",
]
TE_NAMES = [
    b"Transfer-Encoding: ",
    b"Transfer-Encoding:",
    b"transfer-encoding: ",
    b"Transfer-Encoding : ",
    b"Transfer_Encoding: ",
    b" Transfer-Encoding: ",
    b"X: y\nTransfer-Encoding: ",
    b"X: y\rTransfer-Encoding: ",
    b"Transfer-Encoding\t: ",
    b"\x00Transfer-Encoding: ",
    b"Transfer-Encoding\r\n : ",
]
LENGTHS = [
    *(b"%d", b"+%d", b"-%d", b"0%d", b"00000000000000000000%d", b"%d ", b" %d", b"\t%d", b"%d, %d"),
    *(b"%d,%d", b"0x%x", b"%d.0", b"%de0", b'"%d"', b"%d;a=b", b"%d\x00", b"%d\x0b", b"1_%d", b""),
    *(b"99999999999999999999", b"18446744073709551617", b"9223372036854775808", b"-1", b"NaN"),
    *("\u0661".encode(), b"%d\r\nContent-Length: %d", b"%d\r\nContent-Length: 0", b"\r\n %d"),
    *(b"0\r\nContent-Length: %d", b"%d\r\ncontent-length:1", b"%d\nContent-Length: 0"),
]
CHUNK_SIZES = [
    *(b"%x", b"0%x", b"%X", b"%x;a=b", b"%x;" + b"x" * 9000, b"%x ; a", b'%x;a="\r\n"', b"%x\n"),
    *(
        b"0x%x",
        b"-%x",
        b"+%x",
        b"%x ",
        b" %x",
        b"\t%x",
        b"%x\x00",
        b"%x\r",
        b"%x\r\n\r\n",
        b"ffffffffff",
    ),
    *(b"fffffffffffffffff", b"10000000000000000%x", b"", b"%x_0", b"%x;\n", b"%x\x0b", b"g"),
]
VERSIONS = [
    *(b"HTTP/1.1", b"HTTP/1.0", b"HTTP/0.9", b"HTTP/2.0", b"HTTP/1.11", b"HTTP/1.1 ", b"http/1.1"),
    *(
        b"HTTP/1.",
        b"HTTP/1",
        b"HTTP/9.9",
        b"HTTP/-1.1",
        b"HTTP/1.1\t",
        b"HTTPS/1.1",
        b"",
        b"RTSP/1.0",
    ),
    b"HTTP/1.1\x00",
]
METHODS = [
    *(
        b"GET",
        b"POST",
        b"get",
        b"G ET",
        b"GET\t",
        b"\x00GET",
        b"PRI",
        b"CONNECT",
        b"TRACE",
        b"OPTIONS",
    ),
    *(b"HEAD", b"PUT", b"DELETE", b"PATCH", b"PROPFIND", b"M-SEARCH", b"X" * 5000, b"", b"GET\xff"),
    b"\r\n\r\nGET",
]
TARGETS = [
    *(
        b"*",
        b"",
        b"?",
        b"#",
        b"http://evil.example/",
        b"//evil.example/x",
        b"/..%2f..%2fetc/passwd",
    ),
    *(b"/\x00", b"/%00", b"/%", b"/%zz", b"/\xff\xfe", b"/a b", b"/a\tb", b"http://[::1", b"/\x7f"),
    *(
        b"/" + b"a" * 9000,
        b"/?" + b"a=1&" * 5000,
        b"evil.example:443",
        b"/\xe2\x80\xae",
        b"/;a=b?c#d",
    ),
    *(b"http://user:pw@127.0.0.1/livez", b"/%c0%ae%c0%ae/", b"/%25%32%65", b"javascript:alert(1)"),
    *(
        b"/livez/..",
        b"/./livez",
        b"///livez",
        b"/livez%0d%0aX: y",
        b"/livez?a=%0d%0aSet-Cookie:x=y",
    ),
]


@dataclass(frozen=True)
class Trial:
    kind: str
    parts: list[bytes]
    hides: bool = False
    """Whether `s` is in it; else the first answer may be of anything."""
    may_wait: bool = False
    """The server may go on waiting for more, and be right."""


def hidden(n: int) -> bytes:
    return b"GET /nowhere/s-%d HTTP/1.1\r\nHost: x\r\n\r\n" % n


def last(n: int) -> bytes:
    return b"GET /nowhere/b-%d HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n" % n


def start(n: int, method: bytes = b"POST") -> bytes:
    return method + b" /nowhere/a-%d HTTP/1.1\r\nHost: x\r\n" % n


def length_and_chunked(rng: random.Random, n: int) -> Trial:
    """CL.TE and TE.CL with every way to say it."""
    inside = hidden(n)
    chunked = b"0\r\n\r\n" + inside
    value = rng.choice(CHUNKED)
    name = rng.choice(TE_NAMES)
    te = name + value + b"\r\n"
    length = rng.choice([len(chunked), 4, 0, len(inside)])
    if b"_" in name:
        # That is another header, and the length alone counts.
        length = len(chunked)
    lines = [te, b"Content-Length: %d\r\n" % length]
    rng.shuffle(lines)
    return Trial("CL with TE", [start(n) + b"".join(lines) + b"\r\n" + chunked, last(n)])


def odd_transfer_encoding(rng: random.Random, n: int) -> Trial:
    """A body that is chunked for one reader and not there for another."""
    te = rng.choice(TE_NAMES) + rng.choice(CHUNKED) + b"\r\n"
    if rng.random() < 0.3:
        te += b"Transfer-Encoding: " + rng.choice(CHUNKED) + b"\r\n"
    inside = hidden(n)
    body = b"%x\r\n%s\r\n0\r\n\r\n" % (len(inside), inside)
    return Trial("TE spelled oddly", [start(n) + te + b"\r\n" + body, last(n)], hides=True)


def odd_length(rng: random.Random, n: int) -> Trial:
    """A length that two readers read differently."""
    inside = hidden(n)
    form = rng.choice(LENGTHS)
    value = form
    for mark in (b"%d", b"%x"):
        value = value.replace(mark, (b"%d" if mark == b"%d" else b"%x") % len(inside))
    name = rng.choice([b"Content-Length: ", b"content-length:", b"Content-Length : "])
    plain = value.strip(b" \t").isdigit() and int(value) == len(inside)
    return Trial(
        "CL spelled oddly",
        [start(n) + name + value + b"\r\n\r\n" + inside, last(n)],
        hides=True,
        may_wait=not plain,
    )


def odd_chunks(rng: random.Random, n: int) -> Trial:
    """Chunk sizes, extensions and trailers."""
    inside = hidden(n)
    form = rng.choice(CHUNK_SIZES)
    size = form.replace(b"%x", b"%x" % len(inside)).replace(b"%X", b"%X" % len(inside))
    end = rng.choice([b"\r\n", b"\n", b"\r", b"", b"\r\n\r\n", b"xx"])
    trailer = rng.choice([b"", b"", b"X: y\r\n", b"Content-Length: 5\r\n", b"x" * 9000 + b"\r\n"])
    body = size + b"\r\n" + inside + end + b"0\r\n" + trailer + b"\r\n"
    te = b"Transfer-Encoding: chunked\r\n"
    return Trial("chunks", [start(n) + te + b"\r\n" + body, last(n)], hides=True, may_wait=True)


def odd_line_ends(rng: random.Random, n: int) -> Trial:
    """Bare LF, bare CR, folded headers, blanks before the colon, NUL."""
    inside = hidden(n)
    good = start(n) + b"X: y\r\nContent-Length: %d\r\n\r\n" % len(inside)
    at = rng.choice([i for i in range(len(good)) if good[i : i + 2] == b"\r\n"])
    odd = rng.choice([b"\n", b"\r", b"\r\r\n", b"\n\r", *(b"\r\n" + one for one in ODD_SPACES)])
    data = good[:at] + odd + good[at + 2 :]
    # Where the blank line is broken, what follows is still part of the head.
    return Trial("line ends", [data + inside, last(n)], may_wait=True)


def odd_header(rng: random.Random, n: int) -> Trial:
    name = bytes(rng.choice(b'aZ09-_ \t\x00:\xff"(){}@') for _ in range(rng.randrange(0, 8)))
    value = bytes(rng.randrange(256) for _ in range(rng.randrange(0, 20)))
    line = name + rng.choice([b": ", b":", b" : ", b"", b"::"]) + value + b"\r\n"
    return Trial("headers", [start(n, b"GET") + line + b"\r\n", last(n)], may_wait=True)


def huge(rng: random.Random, n: int) -> Trial:
    """More than anybody has: many headers, long ones, long bodies, deep ones, packed ones."""
    one = b"GET /nowhere/a-%d HTTP/1.1\r\nHost: x\r\n" % n
    work = b"POST /api/v1/workers/cleanup HTTP/1.1\r\nHost: x\r\n" + SECRET
    gzip = bytes.fromhex("1f8b0800000000000003") + b"\x00" * 1000
    bodies = [
        b"[" * 65_000,
        b'{"a":' * 13_000,
        b'{"days":1' + b"0" * 60_000 + b"}",
        b"{" + b",".join(b'"k%d":1' % k for k in range(5_000)) + b"}",
        b'"' + b"\\u0000" * 10_000 + b'"',
        b"\xff" * 65_536,
        b"x" * 65_537,
    ]
    body = rng.choice(bodies)
    choices = [
        [one + b"".join(b"X%d: y\r\n" % k for k in range(5_000)) + b"\r\n"],
        [one + b"X: " + b"y" * 1_000_000 + b"\r\n\r\n"],
        [one + b"x" * 1_000_000],
        [one + b"Cookie: " + b"a=b; " * 1_500 + b"\r\n\r\n"],
        [one + b"".join(b"X%d: %s\r\n" % (k, b"y" * 8000) for k in range(100)) + b"\r\n"],
        [work + b"Content-Length: %d\r\n\r\n" % len(body), body],
        [work + b"Content-Length: 10000000000\r\n\r\n", b"x" * 100_000],
        [work + b"Transfer-Encoding: chunked\r\n\r\n", b"1\r\nx\r\n" * 70_000, b"0\r\n\r\n"],
        [work + b"Content-Encoding: gzip\r\nContent-Length: %d\r\n\r\n" % len(gzip), gzip],
        [work + b"Content-Type: multipart/form-data; boundary=x\r\nContent-Length: 4\r\n\r\n--x\r"],
        [one + b"Expect: 100-continue\r\nContent-Length: 100\r\n\r\n"],
        [one + b"Upgrade: h2c\r\nConnection: Upgrade, HTTP2-Settings\r\n\r\n"],
        [b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + b"\x00" * 100],
        [one + b"\r\n", *([hidden(n).replace(b"/s-", b"/a-")] * 200)],
    ]
    return Trial("bombs", [*rng.choice(choices), last(n)], may_wait=True)


def odd_first_line(rng: random.Random, n: int) -> Trial:
    line = [rng.choice(METHODS), rng.choice(TARGETS), rng.choice(VERSIONS)]
    if rng.random() < 0.5:
        line = [b"GET", b"/nowhere/a-%d" % n, b"HTTP/1.1"]
        at = rng.randrange(3)
        line[at] = rng.choice([METHODS, TARGETS, VERSIONS][at])
    sep = rng.choice([b" ", b" ", b" ", b"\t", b"  ", b"\x0b", b""])
    secret = rng.choice([b"", SECRET, OPERATOR])
    data = sep.join(line) + b"\r\nHost: x\r\n" + secret + b"\r\n"
    return Trial("first lines", [data, last(n)], may_wait=True)


def scrambled(rng: random.Random, n: int) -> Trial:
    """A good request with some bytes of it changed, dropped, doubled, or cut off."""
    body = b'{"nothing": "of the kind"}'
    good = bytearray(
        b"POST /api/v1/workers/no-such-job?a=b HTTP/1.1\r\nHost: x\r\nConnection: keep-alive\r\n"
        b"Content-Type: application/json\r\nContent-Length: %d\r\n\r\n" % len(body) + body
    )
    for _ in range(rng.randrange(1, 6)):
        at = rng.randrange(len(good))
        match rng.randrange(5):
            case 0:
                good[at] = rng.randrange(256)
            case 1:
                del good[at]
            case 2:
                good[at:at] = bytes(rng.randrange(256) for _ in range(rng.randrange(1, 5)))
            case 3:
                piece = good[at : at + rng.randrange(1, 40)]
                good[at:at] = piece
            case _:
                other = rng.randrange(len(good))
                good[at], good[other] = good[other], good[at]
    if rng.random() < 0.2:
        del good[rng.randrange(len(good)) :]
    return Trial("scrambled", [bytes(good), last(n)], may_wait=True)


def noise(rng: random.Random, n: int) -> Trial:
    begin = rng.choice([b"", b"GET ", b"\x16\x03\x01", b"GET / HTTP/1.1\r\n", start(n) + b"\r\n"])
    return Trial("noise", [begin + rng.randbytes(rng.randrange(1, 3_000)), last(n)], may_wait=True)


KINDS: list[Callable[[random.Random, int], Trial]] = [
    length_and_chunked,
    odd_transfer_encoding,
    odd_length,
    odd_chunks,
    odd_line_ends,
    odd_header,
    odd_first_line,
    scrambled,
    scrambled,
    noise,
]


def trial(n: int) -> Trial:
    """The trial of that number, the same in every run. One in twenty is a bomb: they take long."""
    rng = random.Random(n)
    return huge(rng, n) if n % 20 == 7 else rng.choice(KINDS)(rng, n)
