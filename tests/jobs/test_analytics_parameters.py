"""Are the parameters of the analytics jobs taken, and refused in words, however they are given?"""

from __future__ import annotations

from datetime import UTC, date, datetime
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from jobs import (
    aggregate_analytics,
    aggregate_hourly,
    compute_funnels,
    refresh_cohorts,
    update_segments,
)
from scheduler.errors import PermanentError
from scheduler.job import Asking, Params
from scheduler.params import ParamsError, change_params, read_params

MODELS: list[type[Params]] = [
    module.job.params
    for module in (
        aggregate_analytics,
        aggregate_hourly,
        compute_funnels,
        refresh_cohorts,
        update_segments,
    )
]
LISTS = [
    (model, name)
    for model in MODELS
    for name, field in model.model_fields.items()
    if "tuple" in str(field.annotation)
]
# Where it is the first of February already, though not in UTC.
BERLIN = ZoneInfo("Europe/Berlin")
ASKING = Asking(datetime(2026, 1, 31, 23, 30, tzinfo=UTC), BERLIN)
ROLLUPS = [(aggregate_analytics.AggregateAnalytics, 3660), (aggregate_hourly.AggregateHourly, 366)]


def refused(model: type[Params], **given: object) -> dict[str, str]:
    """What is said of each parameter that is refused."""
    with pytest.raises(ParamsError) as caught:
        change_params(model(), given, ASKING)
    return {".".join(map(str, problem.path)): problem.message for problem in caught.value.problems}


def test_the_lists_are_found() -> None:
    assert len(LISTS) == 4 + 6 + 4 + 1 + 2 + 1


@pytest.mark.parametrize(("model", "name"), LISTS)
def test_every_list_can_be_given_in_a_query_string(model: type[Params], name: str) -> None:
    for given in ("a, b'c ,d", ["a", "b'c", "d"]):
        assert getattr(change_params(model(), {name: given}, ASKING), name) == ("a", "b'c", "d")
    for wrong in (5, {"a": 1}, True):
        assert refused(model, **{name: wrong}) == {name: "must be a list"}
    assert refused(model, **{name: "a,,b"}) == {f"{name}.1": "must have at least 1 character"}
    assert refused(model, **{name: ["\0"]}) == {f"{name}.0": "must not hold a NUL character"}


@pytest.mark.parametrize(("model", "name"), LISTS)
@pytest.mark.parametrize("given", ["", " ", []])
def test_an_empty_list_is_no_list_of_an_empty_name(
    model: type[Params], name: str, given: object
) -> None:
    if name in {"slugs", "segments"} or model is refresh_cohorts.RefreshCohorts:
        assert refused(model, **{name: given}) == {name: "must have at least 1 item"}
    else:
        assert getattr(change_params(model(), {name: given}, ASKING), name) == ()


@pytest.mark.parametrize(
    "model", [aggregate_analytics.AggregateAnalytics, refresh_cohorts.RefreshCohorts]
)
def test_a_currency_is_taken_in_either_case(model: Any) -> None:
    assert model(currency="EuR").currency == model(currency="eur").currency == "eur"
    for wrong in ("US$", "dollars", "", "éur", "us1"):
        said = "must be the three letters of a currency, such as usd"
        assert refused(model, currency=wrong) == {"currency": said}


@pytest.mark.parametrize(("model", "_"), ROLLUPS)
@pytest.mark.parametrize(
    "wrong",
    [
        *(0, 1_767_225_600, 1.5, True, "0", "1767225600", "yesterday", "", "20260105", "2026-1-5"),
        *(
            "2026-02-30",
            "2026-01-05T00:00:00Z",
            " 2026-01-05",
            "2026-01-0\N{ARABIC-INDIC DIGIT FIVE}",
        ),
        datetime(2026, 1, 5, tzinfo=UTC),
    ],
)
def test_a_day_is_written_in_one_way(model: type[Params], _: int, wrong: object) -> None:
    for name in ("from", "to"):
        assert refused(model, **{"from": "2026-01-01", name: wrong})[name] == (
            "must be a day like 2026-01-31"
        )


@pytest.mark.parametrize(("model", "_"), ROLLUPS)
def test_what_is_wrong_with_a_range_is_said_of_its_parameters(model: type[Params], _: int) -> None:
    later = {"from": "2026-01-03 is later than `to`, 2026-01-02"}
    assert refused(model, **{"from": "2026-01-03", "to": "2026-01-02"}) == later
    assert refused(model, to="2026-01-02") == {"from": "must be given where `to` is"}
    not_over = "2026-02-01 is not over: the last day that is, in Europe/Berlin, is 2026-01-31"
    assert refused(model, **{"from": "2026-02-01"}) == {"from": not_over}
    both = {"from": not_over, "to": not_over}
    assert refused(model, **{"from": "2026-02-01", "to": "2026-02-01"}) == both
    day = {"to": "must be a day like 2026-01-31"}
    assert refused(model, **{"from": "2001-01-01", "to": "soon"}) == day
    for name in ("from", "to"):
        early = {"from": "2026-01-01", name: "1969-12-31"}
        assert refused(model, **early)[name] == "is out of range; allowed is at least 1970-01-01"


@pytest.mark.parametrize(("model", "most"), ROLLUPS)
def test_a_range_is_bounded(model: Any, most: int) -> None:
    last = date(2026, 1, 31)
    first, too_early = (date.fromordinal(last.toordinal() - n) for n in (most - 1, most))
    for to in ({}, {"to": str(last)}):
        params = change_params(model(), {"from": str(first), **to}, ASKING)
        assert params.days(ASKING.now, BERLIN) == (first, last)
        [(name, message)] = refused(model, **{"from": str(too_early), **to}).items()
        assert name == "from"
        assert message == (
            f"{too_early} makes {most + 1:,} days up to 2026-01-31; "
            f"{most:,} at most are written again in one run"
        )


@pytest.mark.parametrize(("model", "_"), ROLLUPS)
def test_the_schedules_own_range_is_for_days_to_come_and_held_against_the_run(
    model: Any, _: int
) -> None:
    params = read_params(model, {"from": "2026-02-01"})
    assert change_params(model(), {}, ASKING).days(ASKING.now, BERLIN) is None
    with pytest.raises(PermanentError, match="2026-02-01 is not over: the last day that is"):
        params.days(ASKING.now, BERLIN)
    assert params.days(datetime(2026, 2, 3, tzinfo=UTC), BERLIN) == (
        date(2026, 2, 1),
        date(2026, 2, 2),
    )
    with pytest.raises(PermanentError, match="written again in one run"):
        params.days(datetime(2040, 1, 1, tzinfo=UTC), BERLIN)


@pytest.mark.parametrize(("model", "_"), ROLLUPS)
def test_a_recorded_run_is_read_as_it_was_asked_for(model: Any, _: int) -> None:
    params = change_params(model(), {"from": "2026-01-02", "to": "2026-01-03"}, ASKING)
    assert model.model_validate(params.model_dump(mode="json")) == params
