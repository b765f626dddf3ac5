"""Does a command that is called wrongly say so, with what to do, and end as a wrong call?"""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.daemon import command, daemon, free_port

pytestmark = pytest.mark.timeout(120)

QUIET = 'jobs: {cleanup: {cron: "0 0 1 1 *"}}\n'


@pytest.mark.parametrize(
    ("call", "words"),
    [
        ("explain 0 6 1 1 *", "put the expression in quotes, such as"),
        ("run clenup", "there is no job called 'clenup' (did you mean 'cleanup'?)"),
        ("run zzz", "there is no job called 'zzz'; there are aggregate-analytics, "),
        ("next clenup", "there is no entry 'clenup' in config.yaml (did you mean 'cleanup'?)"),
        ("next zzz", "there is no entry 'zzz' in config.yaml; there are cleanup"),
        ("history --status gone", "'gone' is not one of 'queued', "),
        ("history --trigger me", "'me' is not one of 'schedule', "),
        ("import crontab nowhere", "nowhere cannot be read: No such file or directory"),
        ("import cronjobs broken.yaml", "broken.yaml is no YAML in line 2"),
        ("postgres sh", "'sh' is not one of 'psql', "),
        ("log-level loud", "'loud' is not one of 'debug', "),
    ],
)
async def test_a_wrong_call_is_2_and_says_what_is_right(
    tmp_path: Path, call: str, words: str
) -> None:
    (tmp_path / "config.yaml").write_text(QUIET)
    (tmp_path / "broken.yaml").write_text("items: [\n")
    ended = await command(*call.split(), cwd=tmp_path)
    assert (ended.code, ended.out) == (2, "")
    assert words in ended.err
    assert "Traceback" not in ended.err


async def test_without_a_daemon_it_says_where_it_looked(tmp_path: Path) -> None:
    port = free_port()
    ended = await command("history", cwd=tmp_path, PORT=str(port))
    assert ended.code == 1
    assert f"no daemon answers at http://127.0.0.1:{port} (connection refused);" in ended.err
    assert "lamplighter serve" in ended.err


async def test_what_the_daemon_does_not_know(database: str, tmp_path: Path) -> None:
    async with daemon(tmp_path, QUIET, DATABASE_URL=database) as one:
        await one.until_ready()
        here = {"PORT": one.url.rpartition(":")[2]}

        nothing = await command("history", cwd=tmp_path, **here)
        assert (nothing.code, nothing.out) == (0, "nothing has run yet\n")
        quiet = await command("history", "cleanup", cwd=tmp_path, **here)
        assert (quiet.code, quiet.out) == (0, "no such run\n")
        for call in ("history", "trigger", "resume", "pause --reason why"):
            unknown = await command(*call.split(), "clenup", cwd=tmp_path, **here)
            assert unknown.code == 2, call
            assert "'clenup' (did you mean 'cleanup'?)" in unknown.err, call

        assert (await command("trigger", "cleanup", cwd=tmp_path, **here)).code == 0
        shown = (await command("history", cwd=tmp_path, **here)).out
        [row] = [line for line in shown.splitlines() if "cleanup" in line]
        [run] = await one.runs()
        assert f"{run['scheduledFor'][:10]} {run['scheduledFor'][11:19]} UTC" in row
