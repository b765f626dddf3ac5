"""Is one list kept of whom nobody writes to, for ever, until a person lifts an entry?"""

from __future__ import annotations

from typing import Any

from jobs.email.suppression import lift, suppress, suppressed
from tests.support.jobs import NOW, Product

ADD = "INSERT INTO newsletter_subscribers (email, status) VALUES ($1, $2)"
STATES = "SELECT email, status, unsubscribed_at FROM newsletter_subscribers ORDER BY email"


async def put(shop: Product, *emails: str, reason: Any = "bounced", **values: Any) -> int:
    async with shop.pool.acquire() as connection:
        return await suppress(
            connection,
            emails,
            reason=reason,
            source="smtp",
            now=NOW,
            tables=shop.tables,
            **values,
        )


async def test_an_address_is_put_on_the_list_and_its_subscription_ends(shop: Product) -> None:
    await shop.pool.execute(ADD, "Ann@Example.com", "active")
    await shop.pool.execute(ADD, "bob@example.com", "complained")
    await shop.pool.execute(ADD, "eve@example.com", "active")
    assert await put(shop, "Ann@Example.com", "bob@example.com", reason="unsubscribed") == 2
    rows = [tuple(row) for row in await shop.pool.fetch(STATES)]
    assert rows == [
        ("Ann@Example.com", "unsubscribed", NOW),
        ("bob@example.com", "complained", None),
        ("eve@example.com", "active", None),
    ]
    async with shop.pool.acquire() as connection:
        assert await suppressed(connection, ["ANN@example.com", "eve@example.com"]) == {
            "ann@example.com"
        }


async def test_the_first_reason_stays(shop: Product) -> None:
    assert await put(shop, "a@example.com", reason="complained", detail="x" * 900) == 1
    assert await put(shop, "A@example.com", reason="bounced") == 0
    row = await shop.pool.fetchrow("SELECT reason, length(detail) FROM lamplighter.suppressions")
    assert row is not None
    assert tuple(row) == ("complained", 500)


async def test_a_person_can_lift_it_and_it_can_come_back(shop: Product) -> None:
    await put(shop, "a@example.com")
    async with shop.pool.acquire() as connection:
        assert await lift(connection, "A@example.com", by="admin", now=NOW) == "bounced"
        assert await lift(connection, "a@example.com", by="admin", now=NOW) is None
        assert await suppressed(connection, ["a@example.com"]) == frozenset()
    assert await put(shop, "a@example.com", reason="complained") == 1
    async with shop.pool.acquire() as connection:
        assert await suppressed(connection, ["a@example.com"]) == {"a@example.com"}


async def test_nobody_is_nobody(shop: Product) -> None:
    assert await put(shop) == 0


async def test_a_product_without_newsletters_has_the_list(shop_b: Product) -> None:
    assert await put(shop_b, "a@example.com") == 1
