"""The product's days and hours, as the jobs have added them up."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from functools import partial

from aiohttp import web

from scheduler.db.product_pages import rollups
from scheduler.db.product_pages.part import Part
from scheduler.job import Row
from scheduler.web.answers import Refusal
from scheduler.web.body import read_query, refuse_unknown
from scheduler.web.charts import Chart, bars, lines
from scheduler.web.charts.chart import Say
from scheduler.web.keys import DAEMON
from scheduler.web.pages.page import page
from scheduler.web.pages.parts import Reader, entry_of, work_of
from scheduler.web.pages.rendering import render
from scheduler.web.words import number

PERIODS = (30, 90, 365)
DEFAULT = 90
DAILY_UP_TO = 90
"""Days that have a point of their own; of more, each week has one."""
HOURS = 48
ENOUGH = 0.8
"""Of the days before, those that must be known to compare with them."""

Column = Callable[[Row], float]


@dataclass(frozen=True, slots=True)
class Total:
    """A number over the whole period, beside the same of the period before."""

    name: str
    value: str
    note: str
    change: float | None


async def analytics(request: web.Request) -> web.StreamResponse:
    daemon, period = request.app[DAEMON], _period(request)
    reader = await Reader.of(request)
    entry = entry_of(daemon, "aggregate-analytics")
    zone = entry.timezone if entry else UTC
    currency = str(getattr(entry.params, "currency", "usd") if entry else "usd").upper()
    last = daemon.now().astimezone(zone).date() - timedelta(days=1)
    first = last - timedelta(days=2 * period - 1)
    until = daemon.now().astimezone(UTC).replace(minute=0, second=0, microsecond=0)
    since = until - timedelta(hours=HOURS)
    days = await reader.part(rollups.DAILY, lambda c: rollups.days(c, first, last))
    hours = await reader.part(rollups.HOURLY, lambda c: rollups.hours(c, since, until))
    shown = [last - timedelta(days=n) for n in reversed(range(period))]
    charts = _daily(days.value or {}, shown, currency)
    return await render(
        request,
        "analytics/page.html",
        period=period,
        periods=PERIODS,
        days=days,
        known=[day for day in shown if day in (days.value or {})],
        totals=_totals(days.value or {}, shown, currency),
        charts=[replace(chart, rows=()) for chart in charts],
        heads=_heads(charts),
        rows=_rows(charts),
        by_week=period > DAILY_UP_TO,
        hours=hours,
        hourly=_hourly(hours, since),
        daily_work=work_of(daemon, "aggregate-analytics"),
        hourly_work=work_of(daemon, "aggregate-hourly"),
    )


def _period(request: web.Request) -> int:
    query = read_query(request)
    text = query.pop("days", str(DEFAULT))
    if query:
        refuse_unknown(query, "days")
    if text not in {str(days) for days in PERIODS}:
        allowed = "one of " + ", ".join(map(str, PERIODS))
        raise Refusal(422, f"days must be {allowed}", fields={"days": allowed})
    return int(text)


def _column(name: str, row: Row) -> float:
    return float(row[name])


def _cents(name: str, row: Row) -> float:
    return float(row[name]) / 100


def _one_digit(value: float | None) -> str:
    return number(value, 1)


def _totals(days: Mapping[date, Row], shown: Sequence[date], currency: str) -> list[Total]:
    period = timedelta(days=len(shown))
    before = [days[day - period] for day in shown if day - period in days]
    now = [days[day] for day in shown if day in days]
    if not now:
        return []
    comparable = len(before) >= ENOUGH * len(shown) and len(now) >= ENOUGH * len(shown)

    def total(name: str, column: Column, note: str, *, average: bool = False) -> Total:
        value = sum(map(column, now)) / (len(now) if average else 1)
        then = sum(map(column, before)) / max(len(before), 1)
        mean = sum(map(column, now)) / len(now)
        change = mean / then - 1 if comparable and then > 0 else None
        return Total(name, number(round(value)), note, change)

    latest = now[-1]
    return [
        total("New users", partial(_column, "new_users"), "in all"),
        total("Active users", partial(_column, "active_users"), "a day", average=True),
        total("Revenue", partial(_cents, "revenue_cents"), f"{currency} in all"),
        Total("MRR", number(round(latest["mrr_cents"] / 100)), f"{currency}, last day", None),
        total("Credits used", partial(_column, "credits_used"), "in all"),
        total("E-mails sent", partial(_column, "email_sent"), "in all"),
    ]


def _daily(days: Mapping[date, Row], shown: Sequence[date], currency: str) -> list[Chart]:
    if not any(day in days for day in shown):
        return []
    weekly = len(shown) > DAILY_UP_TO
    points = [[day] for day in shown]
    if weekly:
        # Whole weeks, up to the last day.
        points = [list(shown[n : n + 7]) for n in range(len(shown) % 7, len(shown), 7)]
    labels = [f"{point[0]:%Y-%m-%d}" for point in points]
    money = partial(number, digits=2)

    def chart(title: str, series: Mapping[str, Column], say: Say = _one_digit) -> Chart:
        values = {
            name: [_mean([column(days[day]) for day in point if day in days]) for point in points]
            for name, column in series.items()
        }
        return lines(title, labels, values, say=say, head="Week from" if weekly else "Day")

    return [
        chart(
            "Users a day",
            {
                "active": partial(_column, "active_users"),
                "returning": partial(_column, "returning_users"),
                "new": partial(_column, "new_users"),
            },
        ),
        chart(f"Revenue a day, {currency}", {"revenue": partial(_cents, "revenue_cents")}, money),
        chart(
            f"Monthly recurring revenue, {currency}", {"MRR": partial(_cents, "mrr_cents")}, money
        ),
        chart(
            "Subscriptions a day",
            {
                "new": partial(_column, "new_subscriptions"),
                "churned": partial(_column, "churned_subscriptions"),
            },
        ),
        chart(
            "Credits and generations a day",
            {
                "credits used": partial(_column, "credits_used"),
                "generations": partial(_column, "generations"),
            },
        ),
        chart(
            "E-mails a day",
            {
                "sent": partial(_column, "email_sent"),
                "opened": partial(_column, "email_opened"),
                "clicked": partial(_column, "email_clicked"),
            },
        ),
    ]


def _heads(charts: Sequence[Chart]) -> list[str]:
    """All days stand in one table: as one for each chart they would weigh more than the rest."""
    titles = [
        (chart.title.partition(" a day")[0], name) for chart in charts for name in chart.legend
    ]
    return [charts[0].heads[0], *(f"{title}: {name}" for title, name in titles)] if charts else []


def _rows(charts: Sequence[Chart]) -> list[tuple[str, ...]]:
    by_point = zip(*(chart.rows for chart in charts), strict=True)
    return [(rows[0][0], *(cell for row in rows for cell in row[1:])) for rows in by_point]


def _mean(values: Sequence[float]) -> float | None:
    """Of the days that are known."""
    return sum(values) / len(values) if values else None


HOURLY = (
    ("Active users an hour", "active_users"),
    ("Generations an hour", "generations"),
    ("API requests an hour", "api_requests"),
    ("API errors an hour", "api_errors"),
)


def _hourly(hours: Part[Mapping[datetime, Row]], since: datetime) -> list[Chart]:
    found = hours.value
    if not found:
        return []
    moments = [since + timedelta(hours=n) for n in range(HOURS)]
    labels = [f"{moment:%b %d, %H:%M}" for moment in moments]
    return [
        bars(
            f"{title}, UTC",
            labels,
            [found[moment][column] if moment in found else None for moment in moments],
        )
        for title, column in HOURLY
    ]


ROUTES = page("/analytics", analytics, menu="Analytics")
