"""What becomes of a crontab's lines, of every kind that people have?"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from scheduler.app import all_jobs
from scheduler.entry import Schedule
from scheduler.moving.entries import USUAL
from scheduler.moving.importing import Imported, import_crontab
from scheduler.moving.writing import written
from scheduler.settings import own_names
from scheduler.timing.schedule import read_schedule

UTC = ZoneInfo("UTC")
ROOT = Path(__file__).resolve().parent.parent.parent
JOBS = all_jobs()
PARAMS = {name: kind.job.params for name, kind in JOBS.items()}
PROJECT = "7b0e4c1e-0000-4000-8000-000000000001"


def imported(text: str, zone: ZoneInfo = UTC, system: bool | None = None) -> Imported:
    return import_crontab(text, JOBS, zone, system=system, own_settings=own_names())


def schedule_of(found: Imported) -> Schedule:
    return read_schedule(written(found, "crontab", PARAMS), "config.yaml", PARAMS)


def entry_of(command: str, before: str = "") -> dict[str, Any]:
    """The keys of the only entry, but its times; it went over whole."""
    found = imported(f"{before}0 5 * * * {command}\n")
    assert found.left_out == []
    [entry] = found.entries
    schedule = schedule_of(found)
    assert schedule.entries[entry.name].cron == "0 5 * * *"
    keys = dict(entry.keys)
    assert keys.pop("cron") == "0 5 * * *"
    return {"name": entry.name, **keys}


def request_of(command: str, before: str = "") -> dict[str, Any]:
    """The parameters of the only entry, which is of http-request."""
    entry = entry_of(command, before)
    assert entry["job"] == "http-request"
    params: dict[str, Any] = entry["params"]
    return params


WORKER = "$GATEWAY_URL/api/v1/workers"
BEARER = '--header="Authorization: Bearer $CRON_SECRET"'


@pytest.mark.parametrize(
    ("command", "entry"),
    [
        (f"wget -qO- {BEARER} {WORKER}/reset-credits", {"name": "reset-credits"}),
        (f"wget -q -O - {BEARER} {WORKER}/reset-credits/", {"name": "reset-credits"}),
        (f"/usr/bin/wget -O /dev/null -o /dev/null {WORKER}/reset-credits", {}),
        (f'curl -X POST -H "Authorization: Bearer $CRON_SECRET" {WORKER}/reset-credits', {}),
        (f"curl -fsSL -m 300 --retry 3 '{WORKER[:0]}http://gw/api/v1/workers/reset-credits'", {}),
        ("curl -sS https://gw.example:8443/base/api/v1/workers/reset-credits > /dev/null 2>&1", {}),
        ("curl gw:3000/api/v1/workers/reset-credits || true", {}),
        (f"cd / && wget -qO- {WORKER}/reset-credits; echo done", {}),
        (f"sleep 5; wget -qO- {WORKER}/reset-credits >> /var/log/x 2>&1", {}),
        (f"flock -n /tmp/x timeout -k 5 60 nice -n 10 wget -qO- {WORKER}/reset-credits", {}),
        (f'/bin/sh -c "wget -qO- \\"{WORKER}/reset-credits\\" >/dev/null 2>&1"', {}),
        (f"bash -lc '. /etc/env; wget -qO- {WORKER}/reset-credits'", {}),
        (f"wget -qO /srv/last.json {WORKER}/reset-credits > /srv/x", {}),
        (f"env A=b wget -qO- {WORKER}/reset-credits &", {}),
        (f"wget -qO- '{WORKER[:0]}http://gw/api/v1/workers/reset-credits?wait=0&reason=cron'", {}),
        ("curl -d '' http://gw/api/v1/workers/reset-credits", {}),
    ],
)
def test_calls_of_a_worker_route(command: str, entry: dict[str, Any]) -> None:
    assert entry_of(command) == {"name": "reset-credits", "overlap": "queue", **entry}


@pytest.mark.parametrize(
    ("call", "job", "params"),
    [
        (
            "wget -qO- --post-data='{\"retentionDays\":30}' URL/orchestration/cleanup",
            "orchestration/cleanup",
            {"retention_days": 30},
        ),
        ("curl URL/orchestration/cleanup?olderThanDays=7", "orchestration/cleanup", None),
        (
            "curl 'URL/cleanup?events_days=60&runsDays=5'",
            "cleanup",
            {"events_days": 60, "runs_days": 5},
        ),
        (
            "curl 'URL/cleanup?events_days=60' --json '{\"runsDays\": 5}'",
            "cleanup",
            {"events_days": 60, "runs_days": 5},
        ),
        ("curl URL/process-email-queue -G -d limit=50", "process-email-queue", {"limit": 50}),
        ('D=9; curl "URL/cleanup?eventsDays=$D"', "cleanup", {"events_days": 9}),
        ('curl -d @- URL/cleanup%{"eventsDays": 8}', "cleanup", {"events_days": 8}),
        (
            f"curl URL/orchestration/project/{PROJECT}/analyze-github -d '{{\"periodHours\": 48}}'",
            "orchestration/analyze-github",
            {"project_id": PROJECT, "period_hours": 48},
        ),
        (
            f"curl URL/orchestration/project/{PROJECT}",
            "orchestration/project",
            {"project_id": PROJECT},
        ),
    ],
)
def test_arguments_become_parameters(call: str, job: str, params: dict[str, Any] | None) -> None:
    entry = entry_of(call.replace("URL", "http://gw/api/v1/workers"))
    assert entry["name"] == job
    if params is not None:
        assert entry["params"] == params


def test_the_second_line_of_a_job_has_a_name_of_its_own() -> None:
    url = "http://gw/api/v1/workers/cleanup"
    found = imported(
        f"0 1 * * * curl {url}?eventsDays=1\n0 2 * * * curl {url}\n@daily curl {url}?runsDays=3"
    )
    assert [(e.name, e.keys.get("job"), e.keys["cron"]) for e in found.entries] == [
        ("cleanup", None, "0 1 * * *"),
        ("cleanup-2", "cleanup", "0 2 * * *"),
        ("cleanup-3", "cleanup", "@daily"),
    ]
    entries = schedule_of(found).entries
    assert {entry.job for entry in entries.values()} == {"cleanup"}
    assert getattr(entries["cleanup"].params, "events_days") == 1  # noqa: B009 - mypy knows Params only


def test_what_jobs_usually_have_is_what_the_shipped_schedule_says() -> None:
    shipped = yaml.safe_load((ROOT / "config.yaml").read_text())["jobs"]
    beside = {
        name: {key: text for key, text in keys.items() if key in {"overlap", "timeout"}}
        for name, keys in shipped.items()
    }
    assert {name: keys for name, keys in beside.items() if keys} == USUAL


@pytest.mark.parametrize(
    ("command", "params"),
    [
        ("curl http://a.example/x", {"url": "http://a.example/x"}),
        ("wget -qO- a.example/x#part", {"url": "http://a.example/x"}),
        ("curl -I https://a.example/", {"url": "https://a.example/", "method": "HEAD"}),
        ("wget --spider -q http://a.example/", {"url": "http://a.example/", "method": "HEAD"}),
        ("curl -XDELETE http://a/x", {"url": "http://a/x", "method": "DELETE"}),
        ("wget --method=PUT http://a/x", {"url": "http://a/x", "method": "PUT"}),
        ("curl -G -d a=1 -d b=2 http://a/x?c=3", {"url": "http://a/x?c=3&a=1&b=2"}),
        (
            "curl -G --data-urlencode 'q=a b&c' http://a/x",
            {"url": "http://a/x?q=a%20b%26c"},
        ),
        (
            "curl -A me -e http://r/ -H 'X-A: b' -H 'Accept-Encoding: gzip' http://a/",
            {
                "url": "http://a/",
                "headers": {"User-Agent": "me", "Referer": "http://r/", "X-A": "b"},
            },
        ),
        (
            "curl -d a=1 --data-raw @b http://a/x",
            {
                "url": "http://a/x",
                "method": "POST",
                "headers": {"Content-Type": "application/x-www-form-urlencoded"},
                "body": "a=1&@b",
            },
        ),
        (
            "curl -sSd '{\"a\": [1, null, \"$$x\"]}' -H 'content-type: application/json' http://a/x",
            {"url": "http://a/x", "method": "POST", "body": {"a": [1, None, "$$$$x"]}},
        ),
        (
            'curl --json "{\\"n\\": $N, \\"who\\": \\"$WHO\\"}" http://a/x',
            {
                "url": "http://a/x",
                "method": "POST",
                "headers": {"Content-Type": "application/json", "Accept": "application/json"},
                "body": '{"n": ${N}, "who": "${WHO}"}',
            },
        ),
        (
            "curl --json '{\"n\": 12345678901234567890}' -H 'Accept: */*' http://a/x",
            {
                "url": "http://a/x",
                "method": "POST",
                "headers": {"Content-Type": "application/json", "Accept": "*/*"},
                "body": '{"n": 12345678901234567890}',
            },
        ),
        (
            "wget -qO- --body-data='x y' --method=PATCH --header 'Content-Type: text/plain' http://a",
            {
                "url": "http://a",
                "method": "PATCH",
                "headers": {"Content-Type": "text/plain"},
                "body": "x y",
            },
        ),
        (
            'curl -H "Authorization: Bearer $CRON_SECRET" $GATEWAY_URL/api/v1/reports',
            {
                "url": "${GATEWAY_URL}/api/v1/reports",
                "headers": {"Authorization": "Bearer ${CRON_SECRET}"},
            },
        ),
        ("curl http://a/ >> /var/log/cron.log 2>&1", {"url": "http://a/"}),
        ("curl http://a/ &> $LOG", {"url": "http://a/"}),
        ("curl http://a/ > /proc/1/fd/1 2>/x", {"url": "http://a/"}),
        ("wget http://a/ -O /tmp/x -o /x", {"url": "http://a/"}),
        ("curl $GW:3000/x", {"url": "http://${GW}:3000/x"}),
        ("curl $PING_URL", {"url": "${PING_URL}"}),
        ("curl 'http://a/x?price=$5'", {"url": "http://a/x?price=$$5"}),
        ("curl -H 'X-Empty;' -H 'X-Gone:' -H 'Host: b' http://a/", {
            "url": "http://a/", "headers": {"X-Empty": "", "Host": "b"}}),
    ],
)  # fmt: skip
def test_calls_of_other_addresses(command: str, params: dict[str, Any]) -> None:
    assert request_of(command) == params


def test_addresses_that_the_crontab_sets_are_written_out() -> None:
    before = "GATEWAY_URL=http://gateway:3000/\nHOST=reports.internal:8080\nTOKEN=abc.def\n"
    assert request_of("curl $GATEWAY_URL/x", before) == {"url": "http://gateway:3000/x"}
    assert request_of("curl http://$HOST/x", before) == {"url": "http://reports.internal:8080/x"}
    assert request_of("curl $HOST/x", before) == {"url": "http://reports.internal:8080/x"}
    # What is no address may be a secret.
    assert request_of("curl http://a/$TOKEN", before) == {"url": "http://a/${TOKEN}"}
    assert request_of("curl http://$TOKEN/", before) == {"url": "http://${TOKEN}/"}


def test_times_to_wait_and_tries_become_the_entrys() -> None:
    entry = entry_of("curl -m 30 --retry 4 http://a.example/x")
    assert (entry["timeout"], entry["retry"]) == ("31s", {"attempts": 5})
    assert entry_of("wget -T 5m -t 1 http://a.example/x")["timeout"] == "301s"
    assert "timeout" not in entry_of("curl -m 0 http://a.example/x")


@pytest.mark.parametrize(
    ("command", "why"),
    [
        ("/usr/local/bin/backup.sh", "runs no programs"),
        ("python3 /app/job.py", "runs no programs"),
        ("[ -x /x ] && curl http://a/", "depends on what stands before it"),
        ("docker exec app curl http://a/", "runs no programs"),
        ("sh /app/job.sh", "runs a script"),
        ("curl http://a/ | grep -q ok", "`contains` is the text"),
        ("curl http://a/ 2>&1 | logger -t cron", "leave that out and import again"),
        ("curl http://a/ | python3 -c x", "hands its output to a program"),
        ("curl -k https://a/", "does not verify certificates"),
        ("curl -fsSkL https://a/", "does not verify certificates"),
        ("wget --no-check-cert https://a/", "does not verify certificates"),
        ("curl --cacert /x https://a/", "SSL_CERT_FILE"),
        ("curl -E c.pem https://a/", "a certificate of its own"),
        ("curl -x http://proxy https://a/", "goes through a proxy"),
        ("curl -T file http://a/", "reads a file"),
        ("curl -d @file http://a/", "reads a file"),
        ("curl -d @- http://a/ < file", "what a file holds"),
        ("curl -b jar http://a/", "reads a file"),
        ("curl -F a=@b http://a/", "in parts"),
        ("curl -K conf", "from a file"),
        ("curl --digest -u a:b http://a/", "otherwise than with a header"),
        ("curl http://a/[1-3]", "several addresses"),
        ("curl --nonsense http://a/", "has --nonsense, which is not known here"),
        ("curl -ü http://a/", "has an option, which is not known here"),
        ("curl -H", "has -H without what belongs to it"),
        ("curl -H nocolon http://a/", "a header without a colon"),
        ("curl", "is given no address"),
        ("curl $OPTS http://a/", "that only a variable holds"),
        ("curl -X BREW http://a/", "a method"),
        ("wget -r http://a/", "more than one address"),
        ("wget -i list", "more than one address"),
        ("wget http://a/x?b=1&c=2", "an & outside of quotes"),
        ("curl http://a/%20b", "write \\% and import again"),
        ("curl http://a/$(date)", "runs a command inside"),
        ("for x in 1 2; do curl http://a/$x; done", "a loop"),
        ("curl ftp://a/x", "must begin with http"),
        ("curl http://a/ü", "printable ASCII"),
        ("curl http://gw/api/v1/workers/nope", "'nope', of which there is no job here"),
        ("curl http://gw/api/v1/workers/clean-up", "did you mean 'cleanup'?"),
        ("curl http://gw/api/v1/workers/http-request", "there is no job here"),
        ("curl http://gw/api/v1/workers/cleanup?x=1", "'x' is not a parameter"),
        ("curl http://gw/api/v1/workers/cleanup?eventsDays=0", "out of range"),
        ("curl http://gw/api/v1/workers/cleanup -d eventsDays=3", "no JSON object"),
        ("curl -X PUT http://gw/api/v1/workers/cleanup", "otherwise than with GET or POST"),
        ("curl http://gw/api/v1/workers/cleanup?eventsDays=$D", "has $D in a parameter"),
        (
            "curl 'http://gw/api/v1/workers/cleanup?eventsDays=3' --json '{\"eventsDays\": 3}'",
            "twice",
        ),
        ("curl -o /srv/data.json http://a/", "keeps the answer in a file"),
        ("curl -O http://a/x.tgz", "keeps the answer in a file"),
        ("wget -qO /srv/data.json http://a/", "keeps the answer in a file"),
        ("curl http://a/ > /srv/www/data.json", "keeps the answer in a file"),
        ("echo hello", "does nothing that lamplighter could do"),
    ],
)  # fmt: skip
def test_what_does_not_go_over_is_named_with_its_line(command: str, why: str) -> None:
    found = imported(f"# first\n\n0 5 * * * {command}\n")
    assert found.entries == []
    [missing] = found.left_out[-1:]
    assert missing.line == 3
    assert why in missing.why
    assert schedule_of(found).entries == {}


@pytest.mark.parametrize(
    ("line", "why"),
    [
        ("@reboot curl http://a/", "@reboot is no time"),
        ("@every 5m curl http://a/", "is not a known name"),
        ("61 * * * * curl http://a/", "61 is out of range"),
        ("0 0 30 2 * curl http://a/", "day"),
        ("0 0 * * L curl http://a/", "not Vixie cron"),
        ("* * * * curl http://a/", "not a number"),
        ("nonsense", "is no line of a crontab"),
    ],
)
def test_times_that_are_none(line: str, why: str) -> None:
    [missing] = imported(line).left_out
    assert (missing.line, why in missing.why) == (1, True), missing


def test_a_line_of_several_calls() -> None:
    found = imported(
        "0 5 * * * curl http://a.example/1 && curl http://a.example/2; ./local || curl http://x/\n"
        "0 6 * * * curl http://gw/api/v1/workers/cleanup && curl -fsS https://hc-ping.com/abc\n"
        "0 7 * * * curl http://a.example/3 || curl http://a.example/4\n"
        "0 8 * * * ./local; curl http://a.example/5\n"
    )
    assert [(entry.line, entry.name) for entry in found.entries] == [
        (1, "a-1"),
        (1, "a-2"),
        (2, "cleanup"),
        (3, "a-3"),
        (4, "a-5"),
    ]
    assert "ran this after the call before it" in found.entries[1].notes[0]
    assert [(one.line, one.what) for one in found.left_out] == [
        (1, "local"),
        (1, "curl"),
        (2, "curl"),
        (3, "curl"),
        (4, "local"),
    ]
    assert "`ping:`" in found.left_out[2].why
    assert "`alerts:`" in found.left_out[3].why


def test_zones() -> None:
    found = imported(
        "0 1 * * * curl http://a.example/1\n"
        "CRON_TZ=Europe/Berlin\n"
        "0 2 * * * curl http://a.example/2\n"
        "CRON_TZ=Mars/Base\n"
        "0 3 * * * curl http://a.example/3\n"
        "CRON_TZ=UTC\n"
        "0 4 * * * curl http://a.example/4\n"
        "TZ=Asia/Tokyo\n"
        "0 5 * * * curl http://a.example/5\n"
    )
    entries = schedule_of(found).entries
    assert {entry.cron[2]: entry.timezone.key for entry in entries.values()} == {
        "1": "UTC",
        "2": "Europe/Berlin",
        "4": "UTC",
        "5": "UTC",
    }
    assert [one.line for one in found.left_out] == [5]
    assert [line for line, _ in found.notes] == [4, 8]
    berlin = imported("0 1 * * * curl http://a.example/1", ZoneInfo("Europe/Berlin"))
    assert schedule_of(berlin).entries["a-1"].timezone.key == "Europe/Berlin"


def test_comments_go_over_where_they_explain() -> None:
    found = imported(
        "# of nobody\n\n"
        "# Explains: {the} call\u2028cron: *x\x85 y\n"
        "0 1 * * * curl http://a.example/1\n"
        "#0 2 * * * curl -H 'X-Token: hunter2' http://a.example/2\n"
        "# TOKEN=hunter2\n"
        "# m h  dom mon dow   command\n"
        "0 3 * * * curl http://a.example/3\n"
    )
    text = written(found, "crontab", PARAMS)
    assert "  # Explains: {the} call cron: *x y\n  # line 4\n" in text
    assert "hunter2" not in text
    assert "nobody" not in text
    assert "m h" not in text
    assert "  # line 8\n" in text


SECRETS = [
    ("curl -H 'Authorization: Bearer S' http://a.example/", "A_EXAMPLE_TOKEN"),
    ("curl -H 'authorization: bearer S' http://a.example/", "A_EXAMPLE_TOKEN"),
    ("curl -H 'Authorization: S' http://a.example/", "A_EXAMPLE_AUTHORIZATION"),
    ("curl -H 'X-Api-Key: S' http://a.example/", "A_EXAMPLE_API_KEY"),
    ("curl -b 'session=S' http://a.example/", "A_EXAMPLE_COOKIE"),
    ("curl --oauth2-bearer S http://a.example/", "A_EXAMPLE_TOKEN"),
    ("curl -u me:S http://a.example/", "A_EXAMPLE_BASIC"),
    ("wget --user me --password=S http://a.example/", "A_EXAMPLE_BASIC"),
    ("curl http://me:S@a.example/", "A_EXAMPLE_BASIC"),
    ("curl 'http://a.example/?x=1&token=S'", "A_EXAMPLE_TOKEN"),
    ("curl -d 'user=me&password=S' http://a.example/", "A_EXAMPLE_PASSWORD"),
    ('curl --json \'{"deep": {"password": "S"}}\' http://a.example/', "A_EXAMPLE_PASSWORD"),
    ("curl -d 'text Bearer S' http://a.example/", "A_EXAMPLE_TOKEN"),
    ("curl https://hooks.slack.com/services/S -d x", "HOOKS_SLACK_COM_URL"),
]


@pytest.mark.parametrize(("command", "name"), SECRETS)
def test_a_secret_stays_behind(command: str, name: str) -> None:
    secret = "hunter2hunter2"
    found = imported(f"0 5 * * * {command.replace('S', secret) if 'S' in command else command}\n")
    command = command.replace("S", secret)
    text = written(found, "crontab", PARAMS)
    assert secret not in text
    assert f"${{{name}}}" in text
    assert secret not in repr(found.left_out) + repr(found.notes) + repr(found.wanted)
    assert [wanted.name for wanted in found.wanted] == [name]
    assert found.left_out == []


def test_one_secret_has_one_name_and_another_another() -> None:
    before = "MY_TOKEN=alpha-alpha\n"
    lines = [
        f"0 {hour} * * * curl -H 'Authorization: Bearer {secret}' http://a.example/{hour}"
        for hour, secret in enumerate(["alpha-alpha", "beta-beta", "gamma-gamma", "beta-beta"])
    ]
    found = imported(before + "\n".join(lines))
    assert [entry.keys["params"]["headers"]["Authorization"] for entry in found.entries] == [
        "Bearer ${MY_TOKEN}",
        "Bearer ${A_EXAMPLE_TOKEN}",
        "Bearer ${A_EXAMPLE_TOKEN_2}",
        "Bearer ${A_EXAMPLE_TOKEN}",
    ]
    assert [wanted.lines for wanted in found.wanted] == [[2], [3, 5], [4]]


def test_names_that_lamplighter_has_itself_are_changed() -> None:
    found = imported(
        '0 5 * * * curl -H "Authorization: Bearer $GITHUB_TOKEN" "http://$HOST/$CRON_SECRET"'
    )
    [entry] = found.entries
    assert entry.keys["params"] == {
        "url": "http://${REQUEST_HOST}/${CRON_SECRET}",
        "headers": {"Authorization": "Bearer ${REQUEST_GITHUB_TOKEN}"},
    }
    assert {one.name: one.what.partition(" is ")[0] for one in found.wanted} == {
        "REQUEST_HOST": "what HOST",
        "CRON_SECRET": "",
        "REQUEST_GITHUB_TOKEN": "what GITHUB_TOKEN",
    }


def test_names_of_entries_are_free_and_tell_where_they_go() -> None:
    urls = ["a.example/health", "a.example/cleanup", "health.example/", "10.0.0.1/", "a.example/x"]
    urls += ["a.example/x", "reports.example.com/v1/Daily\\%20Sums", "orchestration/project/x"]
    found = imported("\n".join(f"0 {n} * * * curl http://{url}" for n, url in enumerate(urls)))
    names = [entry.name for entry in found.entries]
    assert names == [
        "a-health",
        "a-cleanup",
        "health-2",
        "10-0-0-1",
        "a-x",
        "a-x-2",
        "v1-daily-sums",
        "project-x",
    ]
    assert set(schedule_of(found).entries) == set(names)


def test_a_system_crontab() -> None:
    text = "17 * * * * root cd / && run-parts /etc/cron.hourly\n0 5 * * * www curl http://a.example/x\n"
    found = imported(text)
    assert found.system
    assert [entry.name for entry in found.entries] == ["a-x"]
    assert imported(text, system=False).entries == []


def test_more_entries_than_a_schedule_holds_are_no_traceback() -> None:
    from scheduler.errors import LamplighterError
    from scheduler.timing.schedule import MAX_ENTRIES

    line = "* * * * * curl http://gw/api/v1/workers/cleanup\n"
    with pytest.raises(LamplighterError, match="makes no schedule"):
        written(imported(line * (MAX_ENTRIES + 1)), "crontab", PARAMS)


@pytest.mark.parametrize("deep", [6, 60, 7000])
def test_deep_bodies_are_no_traceback(deep: int) -> None:
    body = '{"a":' * (deep // 2) + "[" * (deep // 2) + "]" * (deep // 2) + "}" * (deep // 2)
    for url in ("http://a.example/", "http://gw/api/v1/workers/cleanup"):
        found = imported(f"0 5 * * * curl --json '{body}' {url}")
        assert len(found.entries) + len(found.left_out) == 1
        schedule_of(found)


WORDS = st.sampled_from(
    [
        *("curl", "wget", "-s", "-H", "-d", "-X", "POST", "-u", "a:b", "--json", "-qO-", "-m", "5"),
        *("http://a.example/x", "$GATEWAY_URL/y", "http://gw/api/v1/workers/cleanup", "&&", ";"),
        *("||", "|", "'", '"', "{", "}", "$X", "${Y}", "'X-A: b'", "%", "\\%", "\\", "#", ">", "&"),
        *("'{\"eventsDays\": 3}'", "?eventsDays=4", "sh", "-c", "sleep", "true", "\u2028", "\x85"),
        *(
            "é",
            "\x00",
            "\ufeff",
            "🦉",
            "=",
            "A=1",
            "@",
            ":",
            "*",
            "- ",
            "? ",
            "!",
            "`",
            "yes",
            "1e3",
        ),
    ]
)
COMMANDS = st.lists(WORDS, max_size=12).map(" ".join)
TIMES = st.sampled_from(
    ["* * * * *", "@daily", "0 0 1 1 *", "*/5 1-3 * * mon", "@reboot", "61 * * * *", "-0 0 * * *"]
)
LINES = st.one_of(
    st.builds("{} {}".format, TIMES, COMMANDS),
    st.builds("# {}".format, st.text(max_size=20)),
    st.builds("A={}".format, st.text(max_size=20)),
    st.text(max_size=40),
)


@settings(max_examples=150, deadline=None)
@given(st.lists(LINES, max_size=6).map("\n".join), st.sampled_from([None, True, False]))
def test_any_text_becomes_a_schedule_and_every_line_is_accounted_for(
    text: str, system: bool | None
) -> None:
    found = imported(text, system=system)
    schedule = schedule_of(found)
    assert list(schedule.entries) == [entry.name for entry in found.entries]
    for entry in found.entries:
        read = schedule.entries[entry.name]
        model = PARAMS[read.job]
        assert read.params == model.model_validate(entry.keys.get("params", {}))
        assert read.job == entry.keys.get("job", entry.name)
    told = {entry.line for entry in found.entries} | {one.line for one in found.left_out}
    for number, line in enumerate(text.removeprefix("\ufeff").split("\n"), start=1):
        bare = line.strip(" \t\r")
        if (
            bare
            and not bare.startswith("#")
            and not re.match(r"[\"']?[A-Za-z_]\w*[\"']?\s*=", bare)
        ):
            assert number in told, bare


@settings(max_examples=80, deadline=None)
@given(
    st.sampled_from([command for command, _ in SECRETS]),
    st.text(st.characters(min_codepoint=48, max_codepoint=122), min_size=8, max_size=30).filter(
        lambda text: text.isalnum() and not text.islower()
    ),
    st.sampled_from(["", " | cat", " && ./x", " -k", " --odd", " &", " 'open"]),
)
def test_no_secret_leaves_a_line_however_it_ends(command: str, secret: str, after: str) -> None:
    line = "0 5 * * * " + command.replace("S", secret) + after
    found = imported(line)
    text = written(found, "crontab", PARAMS)
    everything = text + repr(found.left_out) + repr(found.notes) + repr(found.wanted)
    assert secret not in everything
