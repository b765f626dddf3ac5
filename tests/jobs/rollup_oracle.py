"""What should be in a rollup's row? Counted one by one, simple and slow, from the rows as laid."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from decimal import ROUND_HALF_UP, Decimal
from uuid import UUID

from tests.jobs.rollup_data import Row


def between(rows: Iterable[Row], column: str, start: datetime, end: datetime) -> list[Row]:
    return [row for row in rows if row[column] is not None and start <= row[column] < end]


def number(event: Row, name: str, most: int) -> Decimal | None:
    """What the event says in its metadata, else in its properties, if it is a number in bounds."""
    for column in ("metadata", "properties"):
        said = event.get(column)
        if isinstance(said, dict) and name in said:
            value = said[name]
            if isinstance(value, bool) or not isinstance(value, int | float):
                return None
            exact = Decimal(repr(value))
            return exact if 0 <= exact <= most else None
    return None


def mean(values: Sequence[Decimal | None], unit: str) -> Decimal | None:
    there = [value for value in values if value is not None]
    if not there:
        return None
    return (sum(there, Decimal()) / len(there)).quantize(Decimal(unit), ROUND_HALF_UP)


def hour(
    start: datetime, people: Sequence[Row], events: Sequence[Row], ledger: Sequence[Row]
) -> Row:
    end = start + timedelta(hours=1)
    here = between(events, "at", start, end)
    types = [event["event_type"] for event in here]
    return {
        "hour": start,
        "active_users": len({event["user_id"] for event in here} - {None}),
        "page_views": types.count("page_view"),
        "api_requests": types.count("api_request") + types.count("api_error"),
        "generations": types.count("generation_completed"),
        "credits_used": spent(ledger, start, end),
        "signups": len(between(people, "created_at", start, end)),
        "api_errors": types.count("api_error"),
        "avg_response_time_ms": mean(
            [number(event, "response_time_ms", 86_400_000) for event in here], "1"
        ),
    }


def spent(ledger: Sequence[Row], start: datetime, end: datetime) -> int:
    rows = between(ledger, "at", start, end)
    taken = [row["amount"] for row in rows if row["type"] == "generation"]
    return -sum(min(int(amount), 0) for amount in taken)


EVENT_COLUMNS = {
    "page_views": {"page_view"},
    "generations": {"generation_completed"},
    "api_requests": {"api_request", "api_error"},
    "api_errors": {"api_error"},
    "new_profiles": {"profile_created"},
    "new_comments": {"comment_created"},
    "reports_opened": {"report_created"},
    "reports_resolved": {"report_resolved"},
    "users_banned": {"user_banned"},
    "warnings_issued": {"warning_issued"},
}


@dataclass(frozen=True)
class Shop:
    """Everything that was laid."""

    people: Sequence[Row]
    events: Sequence[Row]
    ledger: Sequence[Row]
    history: Sequence[Row]
    invoices: Sequence[Row]
    readers: Sequence[Row]
    mail: Sequence[Row]
    has_pages: bool = True


def day(date: date, start: datetime, end: datetime, shop: Shop) -> Row:
    here = between(shop.events, "at", start, end)
    active = {event["user_id"] for event in here} - {None}
    joined = {person["id"]: person["created_at"] for person in shop.people}
    strangers = {e["session_id"] for e in here if e["user_id"] is None and e["session_id"]}
    mail = Counter(row["event_type"] for row in between(shop.mail, "at", start, end))
    new_users = len(between(shop.people, "created_at", start, end))
    plans = subscriptions(shop.history, start, end)
    return {
        "date": date,
        "new_users": new_users,
        "active_users": len(active),
        "returning_users": sum(
            joined[user] is not None and joined[user] < start for user in active
        ),
        "unique_visitors": len(active) + len(strangers),
        **{
            column: sum(event["event_type"] in names for event in here)
            for column, names in EVENT_COLUMNS.items()
        },
        "avg_response_time_ms": mean(
            [number(event, "response_time_ms", 86_400_000) for event in here], "1"
        ),
        "avg_confidence_score": mean(
            [
                number(event, "confidence", 100)
                for event in here
                if event["event_type"] == "generation_completed"
            ],
            "0.01",
        ),
        **session_columns(here),
        "top_events": top("event", [event["event_type"] for event in here]),
        "top_pages": top(
            "page",
            [
                event["page_url"]
                for event in here
                if event["event_type"] == "page_view" and event["page_url"] is not None
            ]
            if shop.has_pages
            else [],
        ),
        "credits_used": spent(shop.ledger, start, end),
        **plans,
        "conversion_rate": min(ratio(100 * plans["new_subscriptions"], new_users), MOST)
        if new_users
        else None,
        **revenue(shop, start, end),
        "mrr_cents": mrr(shop.invoices, end),
        "newsletter_signups": len(between(shop.readers, "subscribed_at", start, end)),
        "newsletter_unsubscribes": len(between(shop.readers, "unsubscribed_at", start, end)),
        "email_sent": mail["sent"],
        "email_opened": mail["opened"],
        "email_clicked": mail["clicked"],
    }


MOST = Decimal("999.99")


def ratio(part: int, whole: int, unit: str = "0.01") -> Decimal:
    return (Decimal(part) / whole).quantize(Decimal(unit), ROUND_HALF_UP)


def top(kind: str, names: Sequence[str]) -> list[Row]:
    ranked = sorted(Counter(names).items(), key=lambda item: (-item[1], item[0].encode()))
    return [{kind: name, "count": count} for name, count in ranked[:10]]


def session_columns(events: Sequence[Row]) -> Row:
    sessions: dict[object, list[Row]] = defaultdict(list)
    last: dict[UUID, tuple[datetime, int]] = {}
    for event in sorted(events, key=lambda event: event["at"]):
        user = event["user_id"]
        if event["session_id"]:
            sessions[event["session_id"]].append(event)
        elif user is not None:
            at, session = last.get(user, (None, 0))
            if at is None or event["at"] - at >= timedelta(minutes=30):
                session += 1
            last[user] = event["at"], session
            sessions[user, session].append(event)
    sessions = {
        key: session
        for key, session in sessions.items()
        if isinstance(key, str) or len(session) > 1 or session[0]["event_type"] == "page_view"
    }
    if not sessions:
        return {"avg_session_duration_seconds": None, "bounce_rate": None}
    seconds = sum(
        int((session[-1]["at"] - session[0]["at"]).total_seconds()) for session in sessions.values()
    )
    bounced = sum(
        sum(event["event_type"] == "page_view" for event in session) == 1
        for session in sessions.values()
    )
    return {
        "avg_session_duration_seconds": ratio(seconds, len(sessions), "1"),
        "bounce_rate": ratio(100 * bounced, len(sessions)),
    }


def subscriptions(history: Sequence[Row], start: datetime, end: datetime) -> Row:
    here = between(history, "at", start, end)
    actions = Counter(row["action"] for row in here)
    return {
        "new_subscriptions": sum(
            row["action"] == "created" and row["reason"] != "trial" for row in here
        ),
        "churned_subscriptions": actions["canceled"]
        + sum(row["action"] == "expired" and not had_canceled(history, row) for row in here),
        "upgrades": actions["upgraded"],
        "downgrades": actions["downgraded"],
    }


def had_canceled(history: Sequence[Row], expired: Row) -> bool:
    canceled = False
    theirs = [row for row in history if row["user_id"] == expired["user_id"]]
    for row in sorted(theirs, key=lambda row: row["at"]):
        if row["at"] <= expired["at"]:
            if row["action"] == "canceled":
                canceled = True
            elif row["action"] in {"created", "reactivated"}:
                canceled = False
    return canceled


def paid_at(invoice: Row) -> datetime:
    at: datetime = invoice["paid_at"] or invoice["invoice_date"]
    return at


def in_dollars(invoices: Sequence[Row]) -> list[Row]:
    return [
        invoice
        for invoice in invoices
        if invoice["status"] == "paid" and (invoice["currency"] or "usd").lower() == "usd"
    ]


def revenue(shop: Shop, start: datetime, end: datetime) -> Row:
    tiers = {person["id"]: person["tier"] or "free" for person in shop.people}
    by_tier: Counter[str] = Counter()
    for invoice in in_dollars(shop.invoices):
        if start <= paid_at(invoice) < end:
            theirs = [
                row
                for row in shop.history
                if row["user_id"] == invoice["user_id"] and row["to_tier"] is not None
            ]
            named = [row for row in theirs if row["invoice"] == invoice["invoice"]]
            before = [row for row in theirs if row["at"] <= paid_at(invoice) + timedelta(hours=1)]
            found = max(named or before, key=lambda row: row["at"], default=None)
            by_tier[found["to_tier"] if found else tiers[invoice["user_id"]]] += invoice["cents"]
    return {"revenue_cents": by_tier.total(), "revenue_by_tier": dict(by_tier)}


def mrr(invoices: Sequence[Row], end: datetime) -> int:
    latest: dict[UUID, Row] = {}
    for invoice in sorted(in_dollars(invoices), key=paid_at):
        first, last = invoice["period_start"], invoice["period_end"]
        if first is not None and last is not None and first < end < last and paid_at(invoice) < end:
            latest[invoice["user_id"]] = invoice
    twelfths = 0
    for invoice in latest.values():
        yearly = invoice["period_end"] - invoice["period_start"] >= timedelta(days=300)
        twelfths += invoice["cents"] if yearly else 12 * invoice["cents"]
    return int(ratio(twelfths, 12, "1"))
