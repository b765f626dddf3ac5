"""What do the product's daily and hourly numbers say of a stretch of time?"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, datetime

from scheduler.job import Connection, Row
from scheduler.sql import load_sql

sql = load_sql(__file__)

DAILY = {
    "analytics_daily": (
        *("date", "new_users", "active_users", "returning_users", "generations", "credits_used"),
        *("revenue_cents", "mrr_cents", "new_subscriptions", "churned_subscriptions"),
        *("email_sent", "email_opened", "email_clicked"),
    )
}
HOURLY = {
    "analytics_hourly": (
        *("hour", "active_users", "page_views", "api_requests", "api_errors", "generations"),
        "signups",
    )
}


async def days(connection: Connection, first: date, last: date) -> Mapping[date, Row]:
    """Both included; a day that is not there was not rolled up."""
    return {row["date"]: row async for row in sql.days(connection, first=first, last=last)}


async def hours(connection: Connection, since: datetime, until: datetime) -> Mapping[datetime, Row]:
    return {row["hour"]: row async for row in sql.hours(connection, since=since, until=until)}
