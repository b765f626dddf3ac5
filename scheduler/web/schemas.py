"""The schemas of the answers, as `/openapi.json` has them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from scheduler.run import Status, Trigger
from scheduler.settings import LogLevel
from scheduler.watching.health import State
from scheduler.web.auth import Access

SECRETS = {
    Access.CRON: "CRON_SECRET, or CRON_SECRET_PREVIOUS while it is being rotated",
    Access.ADMIN: "ADMIN_SECRET; where it is not set, CRON_SECRET",
}
ERRORS: Mapping[Access, tuple[int, ...]] = {
    Access.OPEN: (),
    Access.CRON: (401, 429, 503),
    Access.ADMIN: (401, 429, 503),
}
PARAMETERS = {
    "name": "An entry of the schedule, or a job; it may hold slashes, plain or as %2F.",
    "id": "The id of the run, suggestion or project.",
    "slug": "The agent, called as its file is: `developer`.",
}

TEXT = {"type": "string"}
TEXT_OR_NULL = {"type": ["string", "null"]}
TIME = {"type": "string", "format": "date-time"}
TIME_OR_NULL = {"type": ["string", "null"], "format": "date-time"}
INTEGER = {"type": "integer"}
INTEGER_OR_NULL = {"type": ["integer", "null"]}
ID = {"type": "string", "format": "uuid"}
LOG_LEVEL = {"type": "string", "enum": [str(level) for level in LogLevel]}
BOOLEAN = {"type": "boolean"}
NUMBER = {"type": "number"}
NUMBER_OR_NULL = {"type": ["number", "null"]}
TEXTS = {"type": "array", "items": TEXT}
ANY_OBJECT = {"type": "object"}
FAILURE: Any = {
    "type": ["object", "null"],
    "properties": {"type": TEXT_OR_NULL, "message": TEXT_OR_NULL},
}


def _ref(name: str) -> dict[str, str]:
    return {"$ref": f"#/components/schemas/{name}"}


def _object(description: str, /, *, optional: tuple[str, ...] = (), **properties: Any) -> Any:
    return {
        "type": "object",
        "description": description,
        "properties": properties,
        "required": [name for name in properties if name not in optional],
    }


def _list(description: str, item: str) -> Any:
    return _object(description, items={"type": "array", "items": _ref(item)}, next=TEXT_OR_NULL)


PROJECT: Mapping[str, Any] = {
    "id": ID,
    "name": TEXT,
    "status": TEXT,
    "repository": TEXT_OR_NULL,
    "movedTo": TEXT_OR_NULL,
    "inRounds": BOOLEAN,
    "isSample": BOOLEAN,
    "lastSyncedAt": TIME_OR_NULL,
    "isComplete": BOOLEAN,
    "dataSince": TIME_OR_NULL,
    "syncError": TEXT_OR_NULL,
    "openIssues": INTEGER_OR_NULL,
    "velocity": {
        "type": ["object", "null"],
        "properties": {
            "score": NUMBER,
            "previousScore": NUMBER_OR_NULL,
            "trend": TEXT,
            "measuredTo": TIME_OR_NULL,
            "components": ANY_OBJECT,
        },
    },
    "lastVisit": {
        "type": ["object", "null"],
        "properties": {"status": TEXT, "startedAt": TIME},
    },
    "suggestionsWaiting": INTEGER,
}
RUN: Mapping[str, Any] = {
    "id": ID,
    "job": TEXT,
    "trigger": {"type": "string", "enum": [str(trigger) for trigger in Trigger]},
    "status": {"type": "string", "enum": [str(status) for status in Status]},
    "scheduledFor": TIME,
    "startedAt": TIME_OR_NULL,
    "finishedAt": TIME_OR_NULL,
    "durationMs": INTEGER_OR_NULL,
    "latenessMs": INTEGER_OR_NULL,
    "attempt": INTEGER,
    "maxAttempts": INTEGER,
    "nextAttemptAt": TIME_OR_NULL,
    "params": ANY_OBJECT,
    "data": {"type": ["object", "null"]},
    "error": FAILURE,
    "progress": {
        "type": ["object", "null"],
        "properties": {"done": INTEGER, "total": INTEGER_OR_NULL},
    },
    "requestedBy": TEXT_OR_NULL,
    "reason": TEXT_OR_NULL,
    "replica": TEXT_OR_NULL,
}
HEALTH: Mapping[str, Any] = {
    "status": {"type": "string", "enum": ["healthy", "degraded", "unhealthy"]},
    "reasons": TEXTS,
    "timestamp": TIME,
    "version": TEXT,
}
RELOAD: Mapping[str, Any] = {
    "changed": TEXTS,
    "added": TEXTS,
    "removed": TEXTS,
    "errors": {"type": "array", "items": _ref("Problem")},
}

SUGGESTION: Mapping[str, Any] = {
    "id": ID,
    "project": ID,
    "agent": TEXT,
    "kind": TEXT,
    "status": {
        "type": "string",
        "enum": ["pending", "approved", "rejected", "expired", "published", "publish_failed"],
    },
    "title": TEXT,
    "body": TEXT,
    "evidence": {
        "type": "array",
        "items": {
            "type": "object",
            "properties": {
                "ref": TEXT,
                "version": TEXT,
                "title": TEXT,
                "url": TEXT_OR_NULL,
                "author": TEXT_OR_NULL,
                "association": TEXT_OR_NULL,
            },
        },
    },
    "scores": ANY_OBJECT,
    "confidence": NUMBER,
    "action": {
        "type": "object",
        "description": "What publishing does; title and body are the suggestion's own.",
        "properties": {
            "type": {
                "type": "string",
                "enum": ["review", "comment", "issue", "draft_release", "todo"],
            },
            "repository": TEXT,
            "number": INTEGER,
            "tag": TEXT,
            "pull": INTEGER,
            "issue": INTEGER,
        },
        "required": ["type", "repository"],
    },
    "shownHash": TEXT,
    "createdAt": TIME,
    "expiresAt": TIME,
    "approvedAt": TIME_OR_NULL,
    "decidedAt": TIME_OR_NULL,
    "decidedBy": TEXT_OR_NULL,
    "decidedFrom": TEXT_OR_NULL,
    "decisionReason": TEXT_OR_NULL,
    "publishing": BOOLEAN,
    "publishedAt": TIME_OR_NULL,
    "publishedUrl": TEXT_OR_NULL,
    "publishError": TEXT_OR_NULL,
    "isSample": BOOLEAN,
}

SCHEMAS: Mapping[str, Any] = {
    "Error": _object(
        "What went wrong",
        success={"const": False},
        error=TEXT,
        fields={"type": "object", "additionalProperties": TEXT},
        runId=ID,
        optional=("fields", "runId"),
    ),
    "Status": _object("It is so", status=TEXT),
    "Health": _object("How it is", **HEALTH),
    "WorkersHealth": _object(
        "How it is",
        success={"type": "boolean"},
        data=_ref("Health"),
        error=TEXT,
        optional=("error",),
    ),
    "OrchestrationHealth": _object(
        "How it is",
        success={"type": "boolean"},
        data=_object(
            "Without reasons: those are in the other health routes",
            status=HEALTH["status"],
            timestamp=TIME,
            llmConfigured={"type": "boolean"},
            githubConfigured={"type": "boolean"},
        ),
        error=TEXT,
        optional=("error",),
    ),
    "WorkerAnswer": _object(
        "The run has succeeded; `data` is what it did",
        success={"const": True},
        data=ANY_OBJECT,
        runId=ID,
    ),
    "Accepted": _object(
        "The run goes on; `Location` says where to ask for it",
        success={"const": True},
        data=_object("", status=TEXT),
        runId=ID,
    ),
    "WorkerRun": _object("The run", success={"const": True}, data=_ref("Run"), runId=ID),
    "Run": _object("The run", **RUN),
    "SingleRun": _object(
        "The run",
        **RUN,
        attempts={"type": "array", "items": _ref("Attempt")},
        log={"type": "array", "items": _ref("LogLine")},
    ),
    "Attempt": _object(
        "One attempt of a run",
        attempt=INTEGER,
        cause={"type": "string", "enum": ["first", "retry", "rescue"]},
        replica=TEXT,
        status=TEXT,
        startedAt=TIME,
        finishedAt=TIME_OR_NULL,
        error=FAILURE,
    ),
    "LogLine": _object(
        "A line that the run logged",
        at=TIME,
        attempt=INTEGER,
        level=TEXT,
        event=TEXT,
        fields=ANY_OBJECT,
    ),
    "Runs": _list("A page of runs", "Run"),
    "Job": _object(
        "The job",
        name=TEXT,
        job=TEXT,
        description=TEXT,
        cron=TEXT_OR_NULL,
        words=TEXT_OR_NULL,
        timezone=TEXT,
        enabled={"type": "boolean"},
        paused={
            "type": ["object", "null"],
            "properties": {"reason": TEXT_OR_NULL, "until": TIME_OR_NULL, "by": TEXT_OR_NULL},
        },
        state={"type": "string", "enum": [str(state) for state in State]},
        stateReason=TEXT_OR_NULL,
        nextFires={"type": "array", "items": TIME},
        lastRun={"anyOf": [_ref("Run"), {"type": "null"}]},
        lastSuccessAt=TIME_OR_NULL,
        params=ANY_OBJECT,
    ),
    "Jobs": _list("The jobs", "Job"),
    "Activity": _object(
        "One change",
        id=TEXT,
        at=TIME,
        who=TEXT,
        source=TEXT_OR_NULL,
        action=TEXT,
        target=TEXT_OR_NULL,
        reason=TEXT_OR_NULL,
        detail=ANY_OBJECT,
    ),
    "Activities": _list("A page of changes", "Activity"),
    "Suggestion": _object("The suggestion as it is now", **SUGGESTION),
    "SingleSuggestion": _object(
        "The suggestion and its history",
        **SUGGESTION,
        events={"type": "array", "items": _ref("SuggestionEvent")},
    ),
    "SuggestionEvent": _object(
        "Something that happened to a suggestion",
        at=TIME,
        action=TEXT,
        by=TEXT,
        source=TEXT_OR_NULL,
        reason=TEXT_OR_NULL,
        detail={"type": ["object", "null"]},
    ),
    "Suggestions": _list("A page of suggestions", "Suggestion"),
    "Rejected": _object(
        "Which were rejected, and why the others were not",
        rejected={"type": "array", "items": ID},
        refused={"type": "array", "items": _object("", id=ID, error=TEXT)},
    ),
    "Agent": _object(
        "An agent, with what came of it",
        agent=TEXT,
        task=TEXT_OR_NULL,
        kinds={"type": "object", "additionalProperties": TEXT},
        looks=INTEGER,
        skipped=INTEGER,
        silent=INTEGER,
        failed=INTEGER,
        suggested=INTEGER,
        pending=INTEGER,
        accepted=INTEGER,
        rejected=INTEGER,
        ignored=INTEGER,
        automatic=INTEGER,
        published=INTEGER,
        acceptanceRate=NUMBER_OR_NULL,
        calls=INTEGER,
        tokensIn=INTEGER,
        tokensOut=INTEGER,
        costUsd=NUMBER,
        costPerAcceptedUsd=NUMBER_OR_NULL,
    ),
    "Agents": _object(
        "The agents",
        items={"type": "array", "items": _ref("Agent")},
        next=TEXT_OR_NULL,
        days=INTEGER,
        autoPublish=_ref("AutoPublish"),
    ),
    "AutoPublish": _object(
        "Whether anything is published without approval",
        enabled=BOOLEAN,
        inScheduleFile=BOOLEAN,
        off={
            "type": ["object", "null"],
            "properties": {"since": TIME, "by": TEXT, "reason": TEXT_OR_NULL},
        },
    ),
    "Project": _object("How the project stands", **PROJECT),
    "Projects": _list("A page of projects", "Project"),
    "SingleProject": _object(
        "How the project stands, and how it got there",
        **PROJECT,
        trend={"type": "array", "items": _object("", day=TEXT, score=NUMBER)},
        quotas={"type": "array", "items": _ref("Quota")},
        costTodayUsd=NUMBER,
        visits={"type": "array", "items": _ref("Visit")},
    ),
    "Quota": _object(
        "What is left of GitHub's requests by one token, which is named by its fingerprint",
        token=TEXT,
        resource=TEXT,
        limit=INTEGER,
        remaining=INTEGER,
        resetAt=TIME,
        seenAt=TIME,
    ),
    "Visit": _object(
        "What the agents made of one look",
        id=ID,
        run=ID,
        status=TEXT,
        startedAt=TIME,
        finishedAt=TIME_OR_NULL,
        error=TEXT_OR_NULL,
        agents={
            "type": "array",
            "items": _object(
                "",
                agent=TEXT,
                status=TEXT,
                reason=TEXT_OR_NULL,
                suggestions=INTEGER,
                costUsd=NUMBER,
            ),
        },
    ),
    "AgentOfProject": _object(
        "How the agent works on the project; `schema` has the bounds of each setting",
        project=ID,
        agent=TEXT,
        settings=ANY_OBJECT,
        defaults=ANY_OBJECT,
        overridden=TEXTS,
        updatedAt=TIME_OR_NULL,
        updatedBy=TEXT_OR_NULL,
        schema=ANY_OBJECT,
    ),
    "Problem": _object(
        "A mistake in the schedule file", line=INTEGER_OR_NULL, key=TEXT, message=TEXT
    ),
    "LogLevel": _object(
        "How much the process logs that answered",
        level=LOG_LEVEL,
        configured=LOG_LEVEL,
        until=TIME_OR_NULL,
        replica=TEXT_OR_NULL,
    ),
    "Reload": _object("What changed, by name of entry", **RELOAD),
    "RejectedReload": _object(
        "The file, or the request, was rejected; nothing changed",
        success={"const": False},
        error=TEXT,
        fields={"type": "object", "additionalProperties": TEXT},
        **RELOAD,
        optional=("fields", *RELOAD),
    ),
    "Metrics": {
        "type": "string",
        "description": "Prometheus text; OpenMetrics where the Accept header asks for it",
    },
    "OpenApi": {"type": "object", "description": "This document"},
}
