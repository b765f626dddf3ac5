"""Do pictures say what the numbers say, to those who see them and those who do not?"""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from xml.etree import ElementTree as ET

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scheduler.web.charts import (
    Chart,
    Gap,
    Rank,
    Step,
    bars,
    funnel,
    heat,
    lines,
    ranks,
    strip,
)
from scheduler.web.charts.chart import ceiling
from scheduler.web.charts.day import day

HOSTILE = '"><script>alert(1)</script>&'
NOW = datetime(2026, 3, 10, 12, 0, tzinfo=UTC)
NUMBERS = st.lists(st.one_of(st.none(), st.floats(0, 1e12), st.integers(0, 10**9)), max_size=40)


def drawn(picture: str) -> ET.Element:
    """The picture, which must be well-formed, named, and free of inline style and script."""
    root = ET.fromstring(picture)  # noqa: S314 - our own text
    assert root.get("role") == "img"
    assert root.get("aria-label")
    title = root.find("title")
    assert title is not None
    assert title.text == root.get("aria-label")
    for element in root.iter():
        assert element.tag != "script"
        assert "style" not in element.attrib
        assert not [name for name in element.attrib if name.startswith("on")]
    return root


def titles(root: ET.Element) -> list[str]:
    return [title.text or "" for title in root.iter("title")][1:]


def all_charts(text: str) -> list[Chart]:
    return [
        lines(text, [text, text], {text: [1, 2]}),
        bars(text, [text], [3]),
        funnel(text, [Step(text, 5, text), Step(text, 2)]),
        day(text, NOW, {text: [NOW + timedelta(hours=1)]}),
    ]


def test_hostile_text_stays_text() -> None:
    for chart in all_charts(HOSTILE):
        drawn(chart.picture)
        assert "<script>" not in chart.picture
    drawn(strip(HOSTILE, ["succeeded"]))
    assert "<script>" not in heat(HOSTILE, [HOSTILE], [(HOSTILE, [1.0])], before=[HOSTILE]).table


def test_the_table_has_the_numbers_of_the_picture() -> None:
    chart = lines("Users", ["1 May", "2 May"], {"new": [1, None], "active": [1000, 2000]})
    assert chart.heads == ("Day", "new", "active")
    assert chart.rows == (("1 May", "1", "1,000"), ("2 May", "–", "2,000"))
    assert chart.legend == ("new", "active")
    assert titles(drawn(chart.picture)) == [
        "1 May: 1 new, 1,000 active",
        "2 May: – new, 2,000 active",
    ]


def test_a_line_has_gaps_where_nothing_is_known() -> None:
    root = drawn(lines("x", list("abcde"), {"y": [1, 2, None, 4, None]}).picture)
    [path] = list(root.iter("path"))
    assert path.get("d", "").count("M") == 2
    assert path.get("d", "").endswith("h6")


def test_more_series_than_colours_are_refused() -> None:
    with pytest.raises(ValueError, match="5 series"):
        lines("x", ["a"], {str(n): [1] for n in range(5)})


@given(NUMBERS)
def test_bars_and_lines_stay_within_their_place(values: list[float | None]) -> None:
    labels = [str(n) for n in range(len(values))]
    root = drawn(bars("x", labels, values).picture)
    height = float(root.get("height", "0"))
    for rect in root.iter("rect"):
        assert 0 <= float(rect.get("y", "")) <= height
        assert float(rect.get("y", "")) + float(rect.get("height", "")) <= height
    path = drawn(lines("x", labels, {"y": values}).picture).find(".//path")
    assert path is not None
    for x, y in re.findall(r"[ML]([\d.]+) ([\d.]+)", path.get("d", "")):
        assert 0 <= float(x) <= 1000
        assert 0 <= float(y) <= 150


@given(st.floats(min_value=1e-6, max_value=1e15))
def test_an_axis_ends_at_a_round_number_not_far_above(most: float) -> None:
    top = ceiling(most)
    assert most <= top * (1 + 1e-9)
    assert top <= most * 2.01


def test_a_small_number_is_seen_and_none_is_not() -> None:
    root = drawn(bars("x", ["a", "b", "c"], [1_000_000, 1, 0]).picture)
    heights = [float(rect.get("height", "")) for rect in root.iter("rect")]
    assert heights[1] > 1
    assert heights[2] == 0


def test_a_strip_has_a_cell_for_each_run_in_few_characters() -> None:
    statuses = ["succeeded"] * 57 + ["failed", "failed", "missed"]
    picture = strip("Last runs", statuses)
    root = drawn(picture)
    assert root.get("aria-label") == "Last runs: 57 succeeded, 2 failed, 1 missed"
    paths = {path.get("class"): path.get("d") for path in root.iter("path")}
    assert paths == {"s-succeeded": "M0 8h228", "s-failed": "M228 8h8", "s-missed": "M236 8h4"}
    assert len(picture) < 500
    alternating = strip("x", ["failed", "succeeded"] * 500)
    assert len(alternating) < 1200


def test_a_strip_of_few_runs_begins_at_the_right() -> None:
    root = drawn(strip("Last runs", ["running"]))
    paths = {path.get("class"): path.get("d") for path in root.iter("path")}
    assert paths == {"track": "M0 8h236", "s-running": "M236 8h4"}
    assert drawn(strip("Last runs", [])).get("aria-label") == "Last runs: none yet"


def test_a_funnel_says_what_was_lost() -> None:
    chart = funnel(
        "Sign-up", [Step("Visit", 200), Step("Sign up", 50, "within 2 h"), Step("Pay", 0)]
    )
    assert chart.rows == (
        ("Visit", "200", "100 %", "–", "–", "–"),
        ("Sign up", "50", "25 %", "25 %", "150", "within 2 h"),
        ("Pay", "0", "0 %", "0 %", "50", "–"),
    )
    widths = [r.get("width") for r in drawn(chart.picture).iter("rect") if r.get("class") == "bar"]
    assert widths == ["100%", "25%", "0%"]
    assert funnel("Empty", []).rows == ()
    assert funnel("Nobody", [Step("a", 0), Step("b", 0)]).rows[1][2:4] == ("0 %", "–")


def test_a_heat_map_is_a_table_with_shades() -> None:
    made = heat(
        "Retention", ["Cohort", "People", "Week 0"], [("May", [1, 0.5, None])], before=["9"]
    )
    assert '<td class="heat-9">100 %</td>' in made.table
    assert '<td class="heat-5">50 %</td>' in made.table
    assert '<th scope="row">May</th><td>9</td>' in made.table
    assert "<caption>Retention</caption>" in made.table
    assert "<td></td>" in made.table


def test_the_day_shows_what_fires_at_the_same_minute() -> None:
    at = NOW + timedelta(hours=6)
    chart = day("Next", NOW, {"a": [at], "b": [at], "c": [NOW + timedelta(hours=12)]})
    root = drawn(chart.picture)
    rects = {rect.get("class"): rect.get("x") for rect in root.iter("rect")}
    assert rects == {"fire many": "25%", "fire": "50%"}
    assert titles(root) == ["18:00 a, b", "00:00 c"]
    assert chart.rows == (("Tue 18:00", "2 jobs", "a, b"), ("Wed 00:00", "1 job", "c"))


def test_a_day_of_very_many_fires_stays_small() -> None:
    fires = {
        f"job-{n}": [NOW + timedelta(minutes=30 * k + n % 30) for k in range(48)]
        for n in range(200)
    }
    chart = day("Next", NOW, fires)
    drawn(chart.picture)
    assert len(chart.picture) < 60_000


def test_a_heat_map_tells_the_unknown_from_what_is_not_over() -> None:
    made = heat(
        "R", ("Week", "0", "1", "2"), [("W1", [1, Gap.UNKNOWN, Gap.RUNNING]), ("W2", [0.5])]
    )
    table = str(made.table)
    assert table.count('class="heat-unknown" title="Not known"') == 1
    assert table.count('class="heat-running" title="Not over yet"') == 1


def test_ranks_are_shares_of_the_largest() -> None:
    things = [Rank("<b>", 200, "now"), Rank("small", 1), Rank("none", 0), Rank("?", None)]
    made = ranks("Members", things, ("Segment", "Members", "Computed"))
    widths = re.findall(r'class="bar" x="0" y="\d+" width="([\d.]+)%"', str(made.picture))
    assert widths == ["100", "0.5", "0", "0"]
    assert "<b>" not in made.picture
    assert made.rows == (
        ("<b>", "200", "now"),
        ("small", "1", "–"),
        ("none", "0", "–"),
        ("?", "–", "–"),
    )
