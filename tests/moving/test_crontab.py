"""Are a crontab's lines read as cron reads them?"""

from __future__ import annotations

import pytest

from scheduler.moving.crontab import Broken, Comment, Line, Setting, Timed, read_crontab


def lines_of(text: str, system: bool | None = None) -> list[Line]:
    return list(read_crontab(text, system=system)[0])


@pytest.mark.parametrize(
    ("line", "read"),
    [
        ("# a comment", Comment(1, "a comment")),
        ("  #!odd", Comment(1, "!odd")),
        ("A=b", Setting(1, "A", "b")),
        ("A = b c ", Setting(1, "A", "b c")),
        ('A="b c"', Setting(1, "A", "b c")),
        ("'A'=' b '", Setting(1, "A", " b ")),
        ("A=", Setting(1, "A", "")),
        ("0 0 * * * do it", Timed(1, "0 0 * * *", "do it")),
        ("\t0  0\t* * *\tdo  it\r", Timed(1, "0 0 * * *", "do  it")),
        ("@daily do", Timed(1, "@daily", "do")),
        ("@midnight do", Timed(1, "@daily", "do")),
        ("@Annually do", Timed(1, "@yearly", "do")),
        ("-*/5 * * * * do", Timed(1, "*/5 * * * *", "do")),
        ("0 0 * * * A=b do", Timed(1, "0 0 * * *", "A=b do")),
        ("0 0 * * * a \\% b", Timed(1, "0 0 * * *", "a % b")),
        ("0 0 * * * a %b\\%c%d", Timed(1, "0 0 * * *", "a", "b%c\nd\n")),
        ("0 0 * * * a%", Timed(1, "0 0 * * *", "a", "\n")),
    ],
)
def test_lines(line: str, read: Line) -> None:
    assert lines_of(line) == [read]


@pytest.mark.parametrize("line", ["garbage", "0 0 * * *", "@daily", "0 0 * * * " + "x" * 9000])
def test_what_is_no_line_of_a_crontab(line: str) -> None:
    [read] = lines_of(line)
    assert isinstance(read, Broken)


def test_numbers_count_every_line() -> None:
    assert [line.number for line in lines_of("\n\nA=b\n\n# x\n")] == [3, 5]


@pytest.mark.parametrize(
    ("text", "system"),
    [
        ("17 * * * * root cd / && run-parts /etc/cron.hourly", True),
        ("0 0 * * * root curl http://x/\n@daily www-data /usr/bin/wget x", True),
        ("0 0 * * * nobody A=b curl x", True),
        ("0 0 * * * root curl http://x/\n0 0 * * * curl http://y/", False),
        ("0 0 * * * wget http://x/", False),
        ("0 0 * * * backup now", False),
        ("0 0 * * * sh -c x", False),
        ("0 0 * * * /usr/bin/curl x", False),
        ("# root curl", False),
        ("", False),
    ],
)
def test_a_column_for_the_user_is_noticed(text: str, system: bool) -> None:
    assert read_crontab(text)[1] is system


def test_a_column_for_the_user_is_left_away() -> None:
    text = "0 0 * * * root\tcurl http://x/"
    assert lines_of(text) == [Timed(1, "0 0 * * *", "curl http://x/")]
    assert lines_of(text, system=False) == [Timed(1, "0 0 * * *", "root\tcurl http://x/")]
    assert lines_of("0 0 * * * curl x", system=True) == [Timed(1, "0 0 * * *", "x")]
    assert isinstance(lines_of("0 0 * * * curl", system=True)[0], Broken)
