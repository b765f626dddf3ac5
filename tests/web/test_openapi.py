"""Does `/openapi.json` describe exactly the routes that there are, and what they answer?"""

from __future__ import annotations

import re
from typing import Any, TypeAlias

import pytest
from jsonschema import Draft202012Validator
from openapi_spec_validator import OpenAPIV31SpecValidator

from scheduler.entry import Retry
from scheduler.job import JobContext, Outcome
from scheduler.web.app import ROUTES, make_app
from scheduler.web.auth import Access
from scheduler.web.pages import all_pages, assets
from tests.support.agents import bench_on
from tests.support.machine import NoParams, Stage
from tests.web.site import ADMIN, CRON, CountParams, OpenSite, Site, scheduled

ENTRIES = [
    scheduled("count", params=CountParams(days=7)),
    scheduled("deep/er", job="count", params=CountParams()),
]

Documented: TypeAlias = tuple[Site, dict[str, Any]]


@pytest.fixture
async def documented(site: OpenSite) -> Documented:
    one = await site({"slow": Stage()}, entries=ENTRIES)
    answer = await one.call("/openapi.json", secret=None)
    assert answer.status == 200
    return one, answer.body


async def test_it_is_valid(documented: Documented) -> None:
    _, document = documented
    assert list(OpenAPIV31SpecValidator(document).iter_errors()) == []


async def test_it_has_the_routes_of_the_router_and_no_other(documented: Documented) -> None:
    one, document = documented
    paths = {
        (method.upper(), path) for path, methods in document["paths"].items() for method in methods
    }
    routed = set()
    for route in make_app(one.daemon).router.routes():
        assert route.resource is not None
        path = route.resource.canonical
        if path.startswith("/static/"):
            continue  # what pages load is no part of the API
        names = ("count", "deep/er", "slow") if path == "/api/v1/workers/{name}" else ("{name}",)
        routed |= {(route.method, path.replace("{name}", name)) for name in names}
    # Pages and their files are for people.
    shown = {(route.method, route.documented_path) for route in (*all_pages(), *assets.ROUTES)}
    assert paths == routed - shown


async def test_every_job_is_there_with_the_params_in_force(documented: Documented) -> None:
    _, document = documented
    count = document["paths"]["/api/v1/workers/count"]["post"]
    names = [parameter["name"] for parameter in count["parameters"]]
    assert names == ["wait", "reason", "Idempotency-Key", "days", "eventsDays", "dryRun", "note"]
    assert not any(parameter["explode"] for parameter in count["parameters"][3:])
    schema = document["components"]["schemas"]["Params.count"]
    assert schema["properties"]["days"]["default"] == 7
    assert document["paths"]["/api/v1/workers/deep/er"]["get"]["security"] == [{"cron": []}]


async def test_every_operation_has_a_name_of_its_own(documented: Documented) -> None:
    _, document = documented
    names = [
        operation["operationId"]
        for methods in document["paths"].values()
        for operation in methods.values()
    ]
    assert len(set(names)) == len(names)
    assert all(re.fullmatch(r"\w+", name) for name in names)


def test_every_route_says_who_may_call_it() -> None:
    closed = [route for route in ROUTES if route.access is not Access.OPEN]
    assert closed
    for route in closed:
        assert route.path.startswith("/api/v1/")
        assert (route.access is Access.CRON) == route.path.startswith("/api/v1/workers/")


async def test_what_is_answered_fits_what_is_documented(site: OpenSite, database: str) -> None:
    async def fail(_ctx: JobContext, _params: NoParams) -> Outcome:
        raise ValueError("no")

    entries = [*ENTRIES, scheduled("torn", retry=Retry(attempts=1))]
    one = await site({"torn": fail, "slow": Stage()}, entries=entries)
    document = (await one.call("/openapi.json", secret=None)).body
    run_id = (await one.work("count")).body["runId"]
    await one.admin("/api/v1/jobs/count/pause", "POST", json={"reason": "why"})
    async with bench_on(database) as bench:
        suggestion = await bench.one()

    calls: list[tuple[str, str, dict[str, Any]]] = [
        ("get", "/livez", {}),
        ("get", "/readyz", {}),
        ("get", "/health", {}),
        ("get", "/api/v1/workers/health", {}),
        ("get", "/api/v1/workers/orchestration/health", {}),
        ("get", "/api/v1/workers/count", {}),
        ("post", "/api/v1/workers/torn", {}),
        ("post", "/api/v1/workers/slow", {"query": "?wait=0"}),
        ("post", "/api/v1/workers/count", {"query": "?days=0"}),
        ("get", "/api/v1/workers/runs/{id}", {}),
        ("get", "/api/v1/jobs", {}),
        ("get", "/api/v1/jobs/{name}", {}),
        ("post", "/api/v1/jobs/{name}/trigger", {}),
        ("post", "/api/v1/jobs/{name}/pause", {"json": {"until": "soon"}}),
        ("post", "/api/v1/jobs/{name}/resume", {}),
        ("get", "/api/v1/runs", {}),
        ("get", "/api/v1/runs/{id}", {}),
        ("post", "/api/v1/runs/{id}/cancel", {}),
        ("get", "/api/v1/activity", {}),
        ("get", "/api/v1/suggestions", {}),
        ("get", "/api/v1/suggestions/{id}", {}),
        ("post", "/api/v1/suggestions/{id}/edit", {"json": {"title": "Say it shorter"}}),
        ("post", "/api/v1/suggestions/{id}/approve", {}),
        ("post", "/api/v1/suggestions/{id}/approve", {}),
        ("post", "/api/v1/suggestions/{id}/publish", {}),
        ("post", "/api/v1/suggestions/{id}/reject", {"json": {"reason": "why"}}),
        ("get", "/api/v1/suggestions/{id}", {}),
        ("post", "/api/v1/suggestions/reject", {"json": {"ids": [str(suggestion)]}}),
        ("get", "/api/v1/agents", {"query": "?days=7"}),
        ("post", "/api/v1/agents/auto-publish", {"json": {"enabled": False}}),
        ("get", "/api/v1/projects", {}),
        ("get", "/api/v1/projects/{id}", {}),
        ("put", "/api/v1/projects/{id}/agents/{slug}", {"json": {"maxPerRun": 2}}),
        ("get", "/api/v1/projects/{id}/agents/{slug}", {}),
        ("post", "/api/v1/schedule/reload", {}),
        ("get", "/api/v1/log-level", {}),
        ("put", "/api/v1/log-level", {"json": {"level": "info", "for": "5m"}}),
        ("get", "/openapi.json", {}),
    ]
    ids = {"/api/v1/suggestions": suggestion, "/api/v1/projects": bench.project}
    assert {path for _, path, _ in calls} >= {
        path
        for path in document["paths"]
        if "deep/er" not in path and path != "/metrics"  # which answers with text
    }
    for method, path, options in calls:
        own = next((one for prefix, one in ids.items() if path.startswith(prefix)), run_id)
        names = {"id": own, "name": "count", "slug": "tester"}
        url = path.format_map(names) + options.pop("query", "")
        secret = CRON if url.startswith("/api/v1/workers/") else ADMIN
        answer = await one.call(url, method.upper(), secret=secret, **options)
        responses = document["paths"][path][method]["responses"]
        assert str(answer.status) in responses, (method, path, answer.status)
        schema = responses[str(answer.status)]["content"]["application/json"]["schema"]
        validator = Draft202012Validator({**schema, "components": document["components"]})
        problems = [error.message for error in validator.iter_errors(answer.body)]
        assert problems == [], (method, path, answer.status)
