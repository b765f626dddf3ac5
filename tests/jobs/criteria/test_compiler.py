"""Do criteria find exactly the rows that they say, and does nothing of them become SQL?"""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from random import Random
from typing import Any

import asyncpg
import pytest

from jobs.criteria.columns import Column
from jobs.criteria.compiler import compile_criteria, placed
from jobs.criteria.errors import CriteriaError
from jobs.criteria.reading import read_criteria
from jobs.criteria.types import ANY_OTHER, TYPES
from tests.jobs.criteria.evaluator import matches
from tests.jobs.criteria.every_type import NOW, columns, lay, read, sql, things, tree

TREES = 2_000
COLUMNS = {
    "email": Column('s."email"', TYPES["varchar"]),
    "opened": Column('s."opened"', TYPES["int4"]),
    "score": Column('s."score"', TYPES["numeric"]),
    "at": Column('s."at"', TYPES["timestamptz"]),
    "day": Column('s."day"', TYPES["date"]),
    "flag": Column('s."flag"', TYPES["bool"]),
    "interests": Column('s."interests"', TYPES["_text"]),
    "doc": Column('s."doc"', TYPES["jsonb"]),
    "key": Column('s."key"', TYPES["uuid"]),
    "ip": Column('s."ip"', ANY_OTHER),
}


@pytest.fixture
async def connection(empty_database: str) -> AsyncIterator[asyncpg.Connection[Any]]:
    made = await asyncpg.connect(empty_database, timeout=10, command_timeout=30)
    yield made
    await made.close()


async def test_random_criteria_find_what_an_evaluator_finds(
    connection: asyncpg.Connection[Any],
) -> None:
    rng = Random(20260131)
    await lay(connection, rng, 60)
    allowed, rows = await columns(connection), await things(connection)
    found = 0
    for _ in range(TREES):
        criteria = read_criteria(json.dumps(tree(rng)))
        assert isinstance(criteria, dict)
        condition = compile_criteria(criteria, allowed, NOW)
        text = placed(sql.matching.sql, condition.text)
        ids = {row["id"] for row in await connection.fetch(text, *condition.values)}
        expected = {key for key, row in rows.items() if matches(criteria, row, read)}
        assert ids == expected, f"{json.dumps(criteria)}\n{condition}"
        found += 0 < len(ids) < len(rows)
    assert found > TREES / 3, "the trees tell hardly any rows apart"


def refused(criteria: object) -> CriteriaError:
    with pytest.raises(CriteriaError) as caught:
        compile_criteria(criteria, COLUMNS, NOW)
    return caught.value


@pytest.mark.parametrize(
    ("criteria", "path", "says"),
    [
        ({"email": {"$regex": "'; drop table"}}, "email.$regex", "it takes $eq, $ne, $in, $nin"),
        ({"$and": [{"opened": 1}, {"email": {"$regex": "a"}}]}, "$and[1].email.$regex", "takes"),
        ({"emial": "a"}, "emial", "there are at, day, doc, email"),
        ({"email OR 1=1": "a"}, "['email OR 1=1']", "is no column"),
        ({'email" = email --': "a"}, "['email\" = email --']", "is no column"),
        ({"x" * 5_000: 1}, f"['{'x' * 59}…']", "is no column"),
        ({"a\nb\0": 1}, r"['a\nb\x00']", "is no column"),
        ({"user.email": "a"}, "user.email", "is no column"),
        ({"$where": "1=1"}, "$where", "is none of $and, $or, $not"),
        ({"$gt": 3}, "$gt", "it belongs behind a column"),
        ({"email": {"$or": ["a"]}}, "email.$or", "does not go with this column"),
        ({"email": {"eq": "a"}}, "email.eq", "does not go with this column"),
        ({"email": {}}, "email", "is empty"),
        ({"email": []}, "email", "a list of 1 to 1,000 values"),
        ({"email": ["a"] * 1_001}, "email", "is a list of 1001"),
        ({"email": {"$in": "a"}}, "email.$in", "is 'a'; it must be a list"),
        ({"email": ["a", 5]}, "email[1]", "is 5; it must be a text"),
        ({"email": "a\0"}, "email", "without NUL"),
        ({"email": "\ud800"}, "email", "a text"),
        ({"email": "x" * 1_001}, "email", "at most 1,000 characters"),
        ({"email": True}, "email", "is true; it must be a text"),
        ({"email": {"$eq": {"a": 1}}}, "email.$eq", "is an object; it must be a text"),
        ({"email": {"$gt": None}}, "email.$gt", "is null; it must be a text"),
        ({"email": {"$exists": "yes"}}, "email.$exists", "it must be true or false"),
        ({"opened": "5"}, "opened", "is '5'; it must be a whole number from -2147483648"),
        ({"opened": True}, "opened", "is true; it must be a whole number"),
        ({"opened": 1.5}, "opened", "is 1.5; it must be a whole number"),
        ({"opened": 2**31}, "opened", "to 2147483647"),
        ({"opened": 10**5_000}, "opened", "is a huge number"),
        ({"score": 10**5_000}, "score", "it must be a number below 1e30"),
        ({"score": 1e300}, "score", "it must be a number below 1e30"),
        ({"score": float("nan")}, "score", "it must be a number"),
        ({"score": False}, "score", "it must be a number"),
        ({"flag": 1}, "flag", "is 1; it must be true or false"),
        ({"flag": {"$gt": True}}, "flag.$gt", "does not go with this column"),
        ({"at": "yesterday"}, "at", "is 'yesterday'; it must be a time"),
        ({"at": "now() - interval '7 days'; drop table x"}, "at", "it must be a time"),
        ({"at": "-999999y"}, "at", "it must be a time"),
        ({"at": "NOW() - INTERVAL 7 FORTNIGHT"}, "at", "it must be a time"),
        ({"at": "0001-01-01T00:00:00+14:00"}, "at", "it must be a time"),
        ({"at": 1_700_000_000}, "at", "it must be a time"),
        ({"day": "2026-01-31T10:00:00"}, "day", "it must be a date"),
        ({"day": "2026-02-30"}, "day", "it must be a date"),
        ({"day": 5}, "day", "it must be a date"),
        ({"key": "{0b8a5c1e-3d5f-4c58-9d3e-6a0a4b0d2f11}"}, "key", "it must be a UUID"),
        ({"key": {"$lt": "0b8a5c1e-3d5f-4c58-9d3e-6a0a4b0d2f11"}}, "key.$lt", "does not go"),
        ({"interests": "news"}, "interests", "it takes $contains, $exists"),
        ({"interests": ["news"]}, "interests", "it takes $contains, $exists"),
        ({"interests": {"$contains": []}}, "interests.$contains", "a list of texts"),
        ({"interests": {"$contains": [None]}}, "interests.$contains", "a list of texts"),
        ({"doc": {"$contains": "x" * 1_001}}, "doc.$contains", "JSON of at most 1,000"),
        ({"doc": {"$contains": {"a": "\0"}}}, "doc.$contains", "without NUL"),
        ({"doc": {"$contains": {"a": "\ud800"}}}, "doc.$contains", "without NUL"),
        ({"doc": {"$contains": float("inf")}}, "doc.$contains", "JSON"),
        ({"ip": "10.0.0.1"}, "ip", "it takes $exists"),
        ({"$and": []}, "$and", "is a list of 0; it must be a list of objects"),
        ({"$and": {"email": "a"}}, "$and", "is an object; it must be a list of objects"),
        ({"$or": ["email"]}, "$or[0]", "is 'email'; it must be an object"),
        ({"$or": [{}]}, "$or[0]", "is empty"),
        ({"$not": []}, "$not", "is a list of 0; it must be an object"),
        ({"$not": {}}, "$not", "is empty"),
        ([], "", "criteria: is a list of 0; it must be an object"),
        ("status = 1", "", "criteria: is 'status = 1'; it must be an object"),
        (None, "", "criteria: is null"),
    ],
)
def test_what_is_refused_says_where_and_what_is_allowed(
    criteria: object, path: str, says: str
) -> None:
    error = refused(criteria)
    assert error.path == path
    assert says in str(error)
    assert "\n" not in str(error)
    assert len(str(error)) < 700


def nested(levels: int) -> dict[str, Any]:
    criteria: dict[str, Any] = {"email": "a"}
    for _ in range(levels):
        criteria = {"$not": criteria}
    return criteria


def test_depth_number_and_length_are_bounded() -> None:
    compile_criteria(nested(10), COLUMNS, NOW)
    assert "too deep: at most 10 levels" in str(refused(nested(11)))
    assert "too deep" in str(refused(nested(5_000)))
    many = [{"opened": number} for number in range(201)]
    compile_criteria({"$or": many[:200]}, COLUMNS, NOW)
    error = refused({"$or": many})
    assert error.path == "$or[200].opened"
    assert "at most 200 conditions" in str(error)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ('{"opened": ' + "9" * 10_000 + "}", "holds a number with too many digits to be read"),
        ('{"$not":' * 20_000 + "{}" + "}" * 20_000, "longer than 100,000 characters"),
        ("[" * 45_000 + "]" * 45_000, "nested too deep to be read"),
        ("{", "cannot be read as JSON"),
    ],
)
def test_text_that_cannot_be_read_is_an_error_of_the_criteria(text: str, says: str) -> None:
    with pytest.raises(CriteriaError, match=says):
        read_criteria(text)


def test_values_are_bound_and_numbered_from_the_first() -> None:
    condition = compile_criteria(
        {"email": "' OR 1=1 --", "opened": {"$gte": 3}, "score": [0.5, None]}, COLUMNS, NOW, first=4
    )
    assert condition.values[:2] == ("' OR 1=1 --", 3)
    assert condition.text == (
        '((s."email" = $4::text) AND ((s."opened" >= $5::int))'
        ' AND (s."score" = ANY ($6::numeric[]) OR s."score" IS NULL))'
    )


def test_a_whole_empty_object_is_always_true() -> None:
    assert compile_criteria({}, COLUMNS, NOW).text == "TRUE"
