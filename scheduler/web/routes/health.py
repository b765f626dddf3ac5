"""Is it alive, ready, well: the routes that probes and monitors call, open to all."""

from __future__ import annotations

from typing import Any

from aiohttp import web

from scheduler.web.answers import answer, error_body
from scheduler.web.auth import Access
from scheduler.web.keys import DAEMON
from scheduler.web.route import Route


async def livez(request: web.Request) -> web.Response:
    """Never touches the database: a restart would not bring it back."""
    reason = request.app[DAEMON].health.live()
    if reason is not None:
        return answer(error_body(reason), status=500)
    return answer({"status": "alive"})


async def readyz(request: web.Request) -> web.Response:
    reason = request.app[DAEMON].health.ready()
    if reason is not None:
        return answer(error_body(reason), status=503)
    return answer({"status": "ready"})


async def health(request: web.Request) -> web.Response:
    report = await _report(request)
    return answer(report, status=_status(report))


async def workers_health(request: web.Request) -> web.Response:
    report = await _report(request)
    status = _status(report)
    if status == 200:
        return answer({"success": True, "data": report})
    error = "unhealthy: " + "; ".join(report["reasons"])
    return answer({**error_body(error), "data": report}, status=status)


async def orchestration_health(request: web.Request) -> web.Response:
    """The same, and which of the agents' sources are set up; whether they answer, doctor says."""
    daemon = request.app[DAEMON]
    report = await daemon.health.report()
    data = {
        "status": report.status,
        "timestamp": daemon.now().isoformat(),
        "llmConfigured": daemon.settings.services.model is not None,
        "githubConfigured": daemon.settings.services.github.configured,
    }
    if report.status != "unhealthy":
        return answer({"success": True, "data": data})
    error = "unhealthy: " + "; ".join(report.reasons)
    return answer({**error_body(error), "data": data}, status=503)


async def _report(request: web.Request) -> dict[str, Any]:
    daemon = request.app[DAEMON]
    report = await daemon.health.report()
    return {
        "status": report.status,
        "reasons": list(report.reasons),
        "timestamp": daemon.now().isoformat(),
        "version": daemon.version,
    }


def _status(report: dict[str, Any]) -> int:
    return 503 if report["status"] == "unhealthy" else 200


def _probe(path: str, handler: Any, summary: str, answers: dict[int, str]) -> tuple[Route, Route]:
    # Monitors like to ask with HEAD.
    return (
        Route("GET", path, Access.OPEN, handler, summary, answers),
        Route("HEAD", path, Access.OPEN, handler, summary, answers),
    )


ROUTES = (
    *_probe(
        "/livez",
        livez,
        "Whether the event loop and the clock beat",
        {200: "Status", 500: "Error"},
    ),
    *_probe(
        "/readyz",
        readyz,
        "Whether runs are taken: 503 with the reason while starting, draining or without database",
        {200: "Status", 503: "Error"},
    ),
    *_probe(
        "/health",
        health,
        "How the daemon and its jobs are, in words",
        {200: "Health", 503: "Health"},
    ),
    *_probe(
        "/api/v1/workers/health",
        workers_health,
        "The same in the form of the worker routes",
        {200: "WorkersHealth", 503: "WorkersHealth"},
    ),
    *_probe(
        "/api/v1/workers/orchestration/health",
        orchestration_health,
        "How it is, and whether a model and GitHub are set up",
        {200: "OrchestrationHealth", 503: "OrchestrationHealth"},
    ),
)
