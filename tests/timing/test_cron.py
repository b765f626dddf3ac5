"""Fire times against an oracle, what is refused and why, and what the words say."""

from __future__ import annotations

import random
import subprocess
import sys
from datetime import UTC, date, datetime, timedelta
from itertools import islice
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scheduler.timing.cron import Cron, CronError
from tests.timing.oracle import Expression, Stretch, changes

BERLIN = ZoneInfo("Europe/Berlin")
ZONES = (
    "UTC",
    "Europe/Berlin",
    "Europe/Dublin",
    "America/New_York",
    "America/St_Johns",
    "America/Havana",
    "America/Sao_Paulo",
    "Africa/Casablanca",
    "Asia/Beirut",
    "Asia/Kathmandu",
    "Asia/Tehran",
    "Antarctica/Troll",
    "Australia/Lord_Howe",
    "Pacific/Apia",
)
WEEKDAYS = ("Sunday", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday")
EXPRESSIONS = 5_000
MAX_FIRES = 250
"""Compared for each expression; a stretch around a change of the clock seldom has more."""


def utc(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def cron(expression: str, zone: str = "UTC") -> Cron:
    return Cron.parse(expression, ZoneInfo(zone))


def fires(expression: str, zone: str, after: str, count: int) -> list[str]:
    found = islice(cron(expression, zone).after(utc(after)), count)
    return [f"{fire.astimezone(ZoneInfo(zone)):%Y-%m-%d %H:%M%z}" for fire in found]


# Against the oracle


def field(rng: random.Random, low: int, high: int, names: str = "") -> str:
    """One field in any shape that the grammar has."""

    def number(least: int = low) -> tuple[int, str]:
        value = rng.randint(least, high)
        named = names.split()
        if named and value - low < len(named) and rng.random() < 0.3:
            return value, rng.choice((str.upper, str.title, str))(named[value - low])
        return value, rng.choice(("{}", "{:02}")).format(value)

    def span() -> str:
        first, text = number()
        last, end = number(first)
        while end.lower() == "sun" and last != 0:
            last, end = number(first)
        return f"{text}-{end}"

    def item() -> str:
        shape = rng.random()
        if shape < 0.5:
            return number()[1]
        if shape < 0.7:
            return span()
        step = rng.randint(1, high)
        return f"{span() if shape < 0.85 else '*'}/{step}"

    return ",".join(item() for _ in range(rng.choice((1, 1, 1, 2, 3))))


def expression(rng: random.Random) -> str:
    minute = rng.choice(("*", "0", "30", "*/20", field(rng, 0, 59), field(rng, 0, 59)))
    hour = rng.choice(("*", "*/2", field(rng, 0, 23), field(rng, 0, 5), field(rng, 0, 3)))
    day = rng.choice(("*", "*", "*", "*/2", field(rng, 1, 31)))
    months = "jan feb mar apr may jun jul aug sep oct nov dec"
    month = rng.choice(("*", "*", "*", "*", field(rng, 1, 12, months)))
    days = "sun mon tue wed thu fri sat"
    weekday = rng.choice(("*", "*", "*", "5-7", "*/2", field(rng, 0, 7, days)))
    return f"{minute} {hour} {day} {month} {weekday}"


def stretches(rng: random.Random, name: str) -> list[Stretch]:
    zone = ZoneInfo(name)
    around = changes(zone, date(2011, 1, 1), date(2012, 12, 31))
    around += changes(zone, date(2018, 6, 1), date(2019, 12, 31))
    around.append(utc("2024-02-29T12:00"))
    rng.shuffle(around)
    return [
        Stretch(
            zone,
            at - timedelta(minutes=rng.randint(0, 300)),
            at + timedelta(hours=rng.randint(4, 30)),
        )
        for at in around[:6]
    ]


@pytest.mark.parametrize("zone", ZONES)
def test_fire_times_are_those_of_the_oracle(zone: str) -> None:
    rng = random.Random(f"fires in {zone}")
    windows = stretches(rng, zone)
    some_fired = 0
    for number in range(-(-EXPRESSIONS // len(ZONES))):
        text = expression(rng)
        window = windows[number % len(windows)]
        try:
            ours = cron(text, zone)
        except CronError:
            assert not any(Expression(text).on(date(2024, 1, 1) + timedelta(n)) for n in range(366))
            continue
        expected = window.fires(Expression(text))[:MAX_FIRES]
        got = list(islice(ours.between(window.start, window.end), MAX_FIRES))
        assert got == expected, f"{text} in {zone} from {window.start}"
        some_fired += bool(expected)
    assert some_fired > 80


@pytest.mark.parametrize("seed", range(4))
def test_fire_days_are_those_of_the_oracle_over_years(seed: int) -> None:
    rng = random.Random(f"days {seed}")
    first = date(2022, 1, 1)
    days = [first + timedelta(days=n) for n in range(3 * 366)]
    end = datetime(2022, 1, 1, tzinfo=UTC) + timedelta(days=len(days) - 1)
    for _ in range(40):
        _, _, *rest = expression(rng).split()
        text = " ".join(["0", "0", *rest])
        oracle = Expression(text)
        expected = [day for day in days if oracle.on(day)]
        try:
            ours = cron(text)
        except CronError:
            assert not expected
            continue
        start = datetime(2021, 12, 31, 12, tzinfo=UTC)
        assert [fire.date() for fire in ours.between(start, end)] == expected, text


@settings(max_examples=300, deadline=None)
@given(
    seed=st.integers(0, 2**32),
    zone=st.sampled_from(ZONES),
    moment=st.datetimes(
        datetime(1900, 1, 1),  # noqa: DTZ001 - hypothesis adds the zone
        datetime(2100, 1, 1),  # noqa: DTZ001
        timezones=st.just(UTC),
    ),
)
def test_fires_ascend_strictly_after_the_moment_and_do_not_depend_on_it(
    seed: int, zone: str, moment: datetime
) -> None:
    text = expression(random.Random(seed))
    try:
        ours = cron(text, zone)
    except CronError:
        return
    found = list(islice(ours.after(moment), 5))
    assert [moment, *found] == sorted({moment, *found})
    assert all(fire.tzinfo is UTC for fire in found)
    assert ours.next(moment) == found[0]
    between = ours.between(found[0], found[-1])
    assert list(between) == found[1:]


# Changes of the clock, by hand


@pytest.mark.parametrize(
    ("text", "zone", "after", "expected"),
    [
        pytest.param(
            "30 2 * * *",
            "Europe/Berlin",
            "2025-03-29T12:00",
            ["2025-03-30 03:00+0200", "2025-03-31 02:30+0200"],
            id="fixed, in the gap: once, right after it",
        ),
        pytest.param(
            "0,20,40 2 * * *",
            "Europe/Berlin",
            "2025-03-29T12:00",
            ["2025-03-30 03:00+0200", "2025-03-31 02:00+0200"],
            id="fixed, several in the gap: still once",
        ),
        pytest.param(
            "30 2 * * *",
            "Europe/Berlin",
            "2025-10-25T12:00",
            ["2025-10-26 02:30+0200", "2025-10-27 02:30+0100"],
            id="fixed, in the fold: the first time only",
        ),
        pytest.param(
            "30 2 * * *",
            "Europe/Berlin",
            "2025-10-26T01:15",
            ["2025-10-27 02:30+0100"],
            id="fixed, asked in the second pass of the fold",
        ),
        pytest.param(
            "30 * * * *",
            "Europe/Berlin",
            "2025-10-26T00:00",
            ["2025-10-26 02:30+0200", "2025-10-26 02:30+0100", "2025-10-26 03:30+0100"],
            id="wildcard hour, in the fold: each hour that passes",
        ),
        pytest.param(
            "30 * * * *",
            "Europe/Berlin",
            "2025-03-30T00:00",
            ["2025-03-30 01:30+0100", "2025-03-30 03:30+0200"],
            id="wildcard hour, over the gap: each hour that passes",
        ),
        pytest.param(
            "*/30 2 * * *",
            "Europe/Berlin",
            "2025-03-29T12:00",
            ["2025-03-31 02:00+0200", "2025-03-31 02:30+0200"],
            id="wildcard minute, in the gap: does not come",
        ),
        pytest.param(
            "*/15 2 * * *",
            "Australia/Lord_Howe",
            "2025-04-05T10:00",
            [
                "2025-04-06 02:00+1030",
                "2025-04-06 02:15+1030",
                "2025-04-06 02:30+1030",
                "2025-04-06 02:45+1030",
            ],
            id="half an hour of autumn, just before the hour",
        ),
        pytest.param(
            "*/30 0 * * *",
            "America/Sao_Paulo",
            "2018-11-03T12:00",
            ["2018-11-05 00:00-0200", "2018-11-05 00:30-0200"],
            id="wildcard minute, a gap at midnight",
        ),
        pytest.param(
            "15 0 * * *",
            "America/Sao_Paulo",
            "2018-11-03T12:00",
            ["2018-11-04 01:00-0200", "2018-11-05 00:15-0200"],
            id="fixed, a gap at midnight",
        ),
        pytest.param(
            "0 6 * * *",
            "Pacific/Apia",
            "2011-12-29T20:00",
            ["2011-12-31 00:00+1400", "2011-12-31 06:00+1400"],
            id="fixed, a day that never was",
        ),
    ],
)
def test_changes_of_the_clock(text: str, zone: str, after: str, expected: list[str]) -> None:
    assert fires(text, zone, after, len(expected)) == expected


def test_monday_is_one_and_sunday_is_zero_and_seven() -> None:
    start = utc("2026-01-01T00:00")
    for text, weekday in (("0 6 * * 1", 0), ("0 8 * * 0", 6), ("0 8 * * 7", 6), ("@weekly", 6)):
        assert {fire.weekday() for fire in islice(cron(text).after(start), 20)} == {weekday}
    assert {f.weekday() for f in islice(cron("0 0 * * 5-7").after(start), 20)} == {4, 5, 6}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("0 0 13 * 5", ["2026-01-02 00:00+0000", "2026-01-09 00:00+0000", "2026-01-13 00:00+0000"]),
        (
            "0 0 */2 * 5",
            ["2026-01-09 00:00+0000", "2026-01-23 00:00+0000", "2026-02-13 00:00+0000"],
        ),
        ("0 0 1-7 * */7", ["2026-01-04 00:00+0000", "2026-02-01 00:00+0000"]),
        ("0 0 29 2 *", ["2028-02-29 00:00+0000", "2032-02-29 00:00+0000"]),
        ("0 0 29 2 */7", ["2032-02-29 00:00+0000", "2060-02-29 00:00+0000"]),
        ("0 0 30 2 5", ["2026-02-06 00:00+0000", "2026-02-13 00:00+0000"]),
        ("5-5/10 3 * * *", ["2026-01-01 03:05+0000", "2026-01-02 03:05+0000"]),
    ],
)
def test_days(text: str, expected: list[str]) -> None:
    assert fires(text, "UTC", "2026-01-01T00:00", len(expected)) == expected


def test_a_moment_needs_an_offset_and_may_have_any() -> None:
    with pytest.raises(ValueError, match="offset"):
        next(cron("* * * * *").after(datetime(2026, 1, 1)))  # noqa: DTZ001 - that is the mistake
    moment = datetime(2026, 1, 1, 0, 59, 59, 999_999, tzinfo=BERLIN)
    assert cron("0 * * * *").next(moment) == utc("2026-01-01T00:00")
    assert cron("0 * * * *").next(utc("2026-01-01T00:00")) == utc("2026-01-01T01:00")


def test_a_range_of_moments_is_open_at_its_start_and_closed_at_its_end() -> None:
    start, end = utc("2026-01-01T00:00"), utc("2026-01-01T02:00")
    found = list(cron("0 * * * *").between(start, end))
    assert found == [utc("2026-01-01T01:00"), end]
    assert list(cron("0 * * * *").between(end, start)) == []


def test_a_long_downtime_costs_only_what_is_taken_of_it() -> None:
    found = cron("* * * * *", "Europe/Berlin").between(utc("1990-01-01T00:00"), utc("2990-01-01"))
    assert len(list(islice(found, 101))) == 101


def test_the_calendar_ends() -> None:
    last = utc("9999-12-31T23:58")
    assert list(islice(cron("* * * * *").after(last), 5)) == [utc("9999-12-31T23:59")]
    with pytest.raises(CronError, match="year 9999"):
        cron("0 0 1 1 *", "Asia/Kathmandu").next(last)


@pytest.mark.parametrize(
    ("text", "minutes"),
    [
        ("* * * * *", 1),
        ("*/5 * * * *", 5),
        ("*/45 * * * *", 15),
        ("0 6,9 * * *", 180),
        ("0 0,23 * * *", 60),
        ("0 0,23 * * 1", 23 * 60),
        ("30 6 * * *", 24 * 60),
        ("0 0 1,31 * *", 24 * 60),
        ("0 0 * * 1", 7 * 24 * 60),
        ("0 0 1 1 *", 365 * 24 * 60),
        ("0 0 29 2 *", 1461 * 24 * 60),
    ],
)
def test_the_shortest_period(text: str, minutes: int) -> None:
    assert cron(text).shortest_period() == timedelta(minutes=minutes)


# What is refused


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "has 0 fields; allowed are exactly five"),
        ("* * * *", "has 4 fields; allowed are exactly five"),
        ("0 0 6 * * 1", "has 6 fields; allowed are exactly five"),
        ("* * * * * /usr/bin/true", "has 6 fields"),
        ("60 * * * *", "minute: 60 is out of range; allowed are 0-59"),
        ("0 24 * * *", "hour: 24 is out of range; allowed are 0-23"),
        ("0 0 0 * *", "day of month: 0 is out of range; allowed are 1-31"),
        ("0 0 32 * *", "day of month: 32 is out of range"),
        ("0 0 * 0 *", "month: 0 is out of range; allowed are 1-12 or jan-dec"),
        ("0 0 * 13 *", "month: 13 is out of range"),
        ("0 0 * * 8", "day of week: 8 is out of range; allowed are 0-7 or sun-sat"),
        ("0 0 L * *", "day of month: 'L' is not Vixie cron"),
        ("0 0 L-3 * *", "day of month: 'L' is not Vixie cron"),
        ("0 0 LW * *", "day of month: 'LW' is not Vixie cron"),
        ("0 0 15W * *", "day of month: '15W' is not Vixie cron"),
        ("0 0 * * 5L", "day of week: '5L' is not Vixie cron"),
        ("0 0 * * 1#2", "day of week: '1#2' is not Vixie cron"),
        ("0 0 ? * 1", "day of month: '?' is not Vixie cron"),
        ("H 0 * * *", "minute: 'H' is not a number"),
        ("~ 0 * * *", "minute: '~' is not a number"),
        ("*/0 * * * *", "minute: the step of '*/0' is out of range; allowed are 1-59"),
        ("*/60 * * * *", "minute: the step of '*/60' is out of range; allowed are 1-59"),
        ("0 */24 * * *", "hour: the step of '*/24' is out of range; allowed are 1-23"),
        ("0 0 */32 * *", "the step of '*/32'"),
        ("0 0 * 1-12/13 *", "the step of '1-12/13'"),
        ("0 0 * * */8", "the step of '*/8'"),
        ("*/ * * * *", "the step of '*/'"),
        ("*/x * * * *", "the step of '*/x'"),
        ("*/-1 * * * *", "the step of '*/-1'"),
        ("1-9/2/3 * * * *", "the step of '1-9/2/3'"),
        (
            "5/10 * * * *",
            "minute: a step needs a range before it, not the single '5'; allowed are 5-59/10",
        ),
        ("10-5 * * * *", "minute: the range '10-5' runs backwards"),
        ("0 0 * dec-jan *", "month: the range 'dec-jan' runs backwards"),
        ("0 0 * * sat-sun", "runs backwards (Sunday ends a range as 7)"),
        ("1, * * * *", "minute: a number is missing"),
        (",1 * * * *", "minute: a number is missing"),
        ("1- * * * *", "minute: a number is missing"),
        ("-1 * * * *", "minute: a number is missing"),
        ("1-2-3 * * * *", "minute: '2-3' is not a number"),
        ("** * * * *", "minute: '**' is not a number"),
        ("*5 * * * *", "minute: '*5' is not a number"),
        ("*-5 * * * *", "minute: '*' is not a number"),
        ("+5 * * * *", "minute: '+5' is not a number"),
        ("1.5 * * * *", "minute: '1.5' is not a number"),
        ("\u0661 * * * *", "is not a number"),  # an Arabic digit one
        ("jan * * * *", "minute: 'jan' is not a number"),
        ("0 0 * monday *", "month: 'monday' is not a number"),
        ("0 0 * * monday", "day of week: 'monday' is not a number"),
        ("0 0 * * *\n", "day of week: '*\\n' is not a number"),
        ("0 0 30 2 *", "never fires: no month in '2' has a day 30; allowed are days up to 29"),
        ("0 0 31 feb,apr,jun,sep,nov *", "never fires"),
        ("0 0 30,31 2 */2", "never fires"),
        ("@reboot", "'@reboot' is not a known name; allowed are @hourly, @daily"),
        ("@every 5m", "'@every 5m' is not a known name"),
        ("@daily * * * *", "is not a known name"),
        ("1," * 400 + "1 * * * *", "is 809 characters long"),
    ],
)
def test_what_is_refused(text: str, message: str) -> None:
    with pytest.raises(CronError) as caught:
        cron(text)
    assert message in str(caught.value)
    assert "allowed" in str(caught.value)


@pytest.mark.parametrize(
    ("text", "same"),
    [
        ("  0\t0 *  * * ", "0 0 * * *"),
        ("00 08 * * *", "0 8 * * *"),
        ("0 0 * JAN,Feb mOn-FRI", "0 0 * 1,2 1-5"),
        ("*/1 * * * *", "* * * * *"),
        ("0 0 * * 0-7", "0 0 * * 0-6"),
        ("0 0 * * */7", "0 0 * * 0"),
        ("0 0 */31 * *", "0 0 1 * *"),
        ("10-20/11 * * * *", "10 * * * *"),
        ("*,5 * * * *", "* * * * *"),
        ("@hourly", "0 * * * *"),
        ("@daily", "0 0 * * *"),
        ("@midnight", "0 0 * * *"),
        ("@weekly", "0 0 * * 0"),
        ("@monthly", "0 0 1 * *"),
        ("@Yearly", "0 0 1 1 *"),
        ("@annually", "0 0 1 1 *"),
    ],
)
def test_what_is_the_same(text: str, same: str) -> None:
    start = utc("2026-05-17T10:07")
    assert list(islice(cron(text).after(start), 40)) == list(islice(cron(same).after(start), 40))


@settings(max_examples=800, deadline=None)
@given(st.one_of(st.text(max_size=40), st.text("0123456789*/-, @lLwW#?JANMONsun", max_size=30)))
def test_any_text_is_an_expression_that_fires_or_is_refused(text: str) -> None:
    start = utc("2026-01-01T00:00")
    refusal = "allowed"
    try:
        assert cron(text).next(start) > start
    except CronError as error:
        refusal = str(error)
    assert "allowed" in refusal


# Words


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("* * * * *", "Every minute"),
        ("*/5 * * * *", "Every 5 minutes"),
        ("*/45 * * * *", "At 0 and 45 minutes past the hour"),
        ("0 * * * *", "Every hour"),
        ("30 * * * *", "At 30 minutes past the hour"),
        ("0 */2 * * *", "Every 2 hours"),
        ("0 0 * * *", "At 00:00, every day"),
        ("0 */6 * * *", "At 00:00, 06:00, 12:00 and 18:00, every day"),
        ("0 */5 * * *", "At 00:00, 05:00, 10:00, 15:00 and 20:00, every day"),
        ("0 6 * * 1", "At 06:00, every Monday"),
        ("0 8 * * 0", "At 08:00, every Sunday"),
        ("0 7 1 * *", "At 07:00, on day 1 of the month"),
        ("0 15 * * 5-7", "At 15:00, Friday through Sunday"),
        ("*/5 9-17 * * 1-5", "Every 5 minutes, between 09:00 and 17:59, Monday through Friday"),
        ("* 9 * * *", "Every minute, between 09:00 and 09:59"),
        ("* 9,11 * * *", "Every minute, in the hours 09 and 11"),
        ("0 1,3,5,7-20 * * *", "At 0 minutes past the hour, in the hours 01, 03, 05 and 07-20"),
        ("0 0 1 * 1", "At 00:00, on day 1 of the month, and also every Monday"),
        ("0 0 1-7 * */7", "At 00:00, between day 1 and 7 of the month, but only on Sunday"),
        ("0 0 1-31 * 1", "At 00:00, every day"),
        ("0 0 * */3 *", "At 00:00, only in January, April, July, and October"),
        ("@yearly", "At 00:00, on day 1 of the month, only in January"),
    ],
)
def test_words(text: str, words: str) -> None:
    assert cron(text).words == words


def test_every_expression_has_words_and_its_days_are_all_named() -> None:
    rng = random.Random("words")
    for _ in range(300):
        text = expression(rng)
        try:
            words = cron(text).words
        except CronError:
            continue
        assert "error" not in words.lower(), text
        oracle = Expression(text)
        both = oracle.both
        every_date, every_weekday = len(oracle.dates) == 31, len(oracle.weekdays - {7}) == 7
        dated = not every_date and (both or not every_weekday)
        named = not every_weekday and (both or not every_date)
        assert ("day 1" in words or "of the month" in words) == dated, (text, words)
        said = {day for day in WEEKDAYS if day in words}
        if "day through" in words:
            assert named, (text, words)
        else:
            expected = {WEEKDAYS[number] for number in oracle.weekdays - {7}} if named else set()
            assert said == expected, (text, words)
        assert ("but only on" in words) == (dated and named and both), (text, words)
        assert ("and also" in words) == (dated and named and not both), (text, words)
        assert "AM" not in words
        assert "PM" not in words


def test_the_library_of_words_is_imported_when_asked_for() -> None:
    code = (
        "import sys; from zoneinfo import ZoneInfo; from scheduler.timing.cron import Cron\n"
        "found = Cron.parse('0 6 * * 1', ZoneInfo('UTC'))\n"
        "assert 'cron_descriptor' not in sys.modules\n"
        "found.words\n"
        "assert 'cron_descriptor' in sys.modules\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=30)
