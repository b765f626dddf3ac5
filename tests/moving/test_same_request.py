"""Does an imported call ask for the same as the real wget or curl did?"""

from __future__ import annotations

import asyncio
import os
import shutil
from typing import Any
from urllib.parse import unquote_plus
from zoneinfo import ZoneInfo

import pytest
from pydantic import SecretStr

from jobs.http_request import job
from scheduler.app import all_jobs
from scheduler.moving.crontab import Timed, read_crontab
from scheduler.moving.importing import import_crontab
from scheduler.moving.writing import written
from scheduler.services import Services
from scheduler.settings import own_names
from scheduler.timing.schedule import read_schedule
from tests.jobs.test_http_request import context
from tests.support.http import Heard, answering, saying

JOBS = all_jobs()
PARAMS = {name: kind.job.params for name, kind in JOBS.items()}
VALUES = {"TOKEN": "abc.def", "WHO": 'Ann "A"', "N": "42", "LOCALHOST_COOKIE": "a=b"}
OWN = {"user-agent", "accept-encoding", "idempotency-key", "connection", "host", "content-length"}
"""Headers that each program has its own of."""

COMMANDS = [
    "curl -fsS URL/a?b=c",
    "curl -fsS 'URL/a?b=c&d=\\%41#e'",
    "curl -sd a=1 -d 'b=2 3' URL/x",
    "curl -s --data-raw '@x' --data-binary 'l1' URL/x",
    "curl -sG -d a=1 --data-urlencode 'q=ü b&c/' URL/x?z=1",
    "curl -s --data-urlencode 'q=~a-b_c.d e*' --data-urlencode plain URL/x",
    'curl -s --json \'{"who": "me", "n": [1, 2.5, null, true]}\' URL/x',
    'curl -s --json "{\\"n\\": $N}" URL/x',
    "curl -sX PUT -H 'Content-Type: text/plain' -d 'a  b' URL/x",
    "curl -sX DELETE URL/x",
    "curl -sI URL/x",
    'curl -s -H "Authorization: Bearer $TOKEN" -H "X-A: $N" -A me -e http://r/ -b a=b URL/x',
    "curl -s -H 'Accept: text/plain' -H 'X-Empty;' -H 'User-Agent:' URL/x",
    'curl -sd @- URL/x%{"a": 1}%second',
    "curl -s --data-binary @- URL/x%first%second",
    "curl -s -m 5 --retry 1 -o /dev/null URL/x 2>/dev/null || true",
    "curl -s --oauth2-bearer $TOKEN URL/x",
    "wget -qO- URL/a?b=c",
    "wget -q -O - 'URL/a?b=c&d=1'",
    'wget -qO- --header="Authorization: Bearer $TOKEN" URL/x',
    "wget -qO- --post-data='{\"retentionDays\":30}' URL/x",
    "wget -qO- --post-data 'a=1&b=2' --header 'Content-Type: text/plain' URL/x",
    "wget -qO- --method=PUT --body-data=abc URL/x",
    "wget -qO- --method=DELETE URL/x",
    "wget -q --spider URL/x",
    "wget -qO- -U me --referer=http://r/ -T 5 -t 1 URL/x",
    "sh -c 'wget -qO- URL/x?n=$N'",
    "cd /tmp && timeout 20 nice curl -s URL/$N",
]


def told(heard: Heard) -> tuple[str, str, dict[str, str], Any]:
    headers = {name: value for name, value in heard.headers.items() if name not in OWN}
    if headers.get("accept") == "*/*":
        del headers["accept"]
    # JSON is written anew where the schedule holds it as a mapping.
    body: Any = heard.body
    if headers.get("content-type") == "application/json":
        body = b"".join(body.split())
    # Versions of curl differ in how they write a space or a hexadecimal digit.
    target, body = (unquote_plus(text) for text in (heard.target, body.decode()))
    return heard.method, target, headers, body


@pytest.mark.parametrize("command", COMMANDS)
async def test_the_same_is_asked_for(command: str) -> None:
    if shutil.which("curl" if "curl" in command else "wget") is None:
        pytest.skip("the real program is not on this machine")
    async with answering(saying("200 OK", "fine")) as there:
        line = f"0 5 * * * {command.replace('URL', there.url)}"
        [[timed], _] = read_crontab(line)
        assert isinstance(timed, Timed)
        process = await asyncio.create_subprocess_exec(
            *("/bin/sh", "-c", timed.command),
            env={"PATH": os.environ["PATH"], "HOME": "/nonexistent", **VALUES},
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.DEVNULL,
        )
        await process.communicate((timed.stdin or "").encode())
        assert process.returncode == 0
        found = import_crontab(line, JOBS, ZoneInfo("UTC"), own_settings=own_names())
        text = written(found, "crontab", PARAMS)
        [entry] = read_schedule(text, "config.yaml", PARAMS).entries.values()
        services = Services(variable=lambda name: SecretStr(VALUES[name]))
        await job.run(context(services), job.params.model_validate(entry.params.model_dump()))
    before, now = there.heard
    assert told(now) == told(before)
