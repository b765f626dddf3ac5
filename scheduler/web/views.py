"""Runs, jobs and activity as the API shows them: camelCase, times in ISO 8601 with offset."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from pydantic.alias_generators import to_camel

from agents.approvals import Event, Suggestion
from scheduler.db.activity import Activity
from scheduler.db.runs import Attempt, LogLine, Run
from scheduler.entry import Entry
from scheduler.running.registry import JobType
from scheduler.watching.health import JobState, State
from scheduler.web.keys import ClockView


def run_view(run: Run) -> dict[str, Any]:
    """A run as lists have it; the single one also has its attempts and log."""
    lateness = _milliseconds(run.scheduled_for, run.started_at)
    return {
        "id": str(run.id),
        "job": run.job,
        "trigger": run.trigger,
        "status": str(run.status),
        "scheduledFor": _time(run.scheduled_for),
        "startedAt": _time(run.started_at),
        "finishedAt": _time(run.finished_at),
        "durationMs": _milliseconds(run.started_at, run.finished_at),
        "latenessMs": lateness,
        "attempt": run.attempt,
        "maxAttempts": run.max_attempts,
        "nextAttemptAt": _time(run.next_attempt_at),
        "params": {to_camel(name): value for name, value in run.params.items()},
        "data": run.data,
        "error": _error(run.error_type, run.error_message),
        "progress": None
        if run.progress_done is None
        else {"done": run.progress_done, "total": run.progress_total},
        "requestedBy": run.requested_by,
        "reason": run.reason,
        "replica": run.replica,
    }


def attempt_view(attempt: Attempt) -> dict[str, Any]:
    return {
        "attempt": attempt.attempt,
        "cause": attempt.cause,
        "replica": attempt.replica,
        "status": attempt.status,
        "startedAt": _time(attempt.started_at),
        "finishedAt": _time(attempt.finished_at),
        "error": _error(attempt.error_type, attempt.error_message),
    }


def log_view(line: LogLine) -> dict[str, Any]:
    return {
        "at": _time(line.at),
        "attempt": line.attempt,
        "level": line.level,
        "event": line.event,
        "fields": line.fields,
    }


def activity_view(activity: Activity) -> dict[str, Any]:
    return {
        "id": str(activity.id),
        "at": _time(activity.at),
        "who": activity.who,
        "source": activity.source,
        "action": activity.action,
        "target": activity.target,
        "reason": activity.reason,
        "detail": activity.detail,
    }


def suggestion_view(one: Suggestion) -> dict[str, Any]:
    return {
        "id": str(one.id),
        "project": str(one.project_id),
        "agent": one.agent,
        "kind": one.kind,
        "status": one.status,
        "title": one.title,
        "body": one.body,
        "evidence": [dict(item) for item in one.evidence],
        "scores": dict(one.scores),
        "confidence": one.confidence,
        "action": dict(one.action),
        "shownHash": one.shown_hash,
        "createdAt": _time(one.created_at),
        "expiresAt": _time(one.expires_at),
        "approvedAt": _time(one.approved_at),
        "decidedAt": _time(one.decided_at),
        "decidedBy": one.decided_by,
        "decidedFrom": one.decided_from,
        "decisionReason": one.decision_reason,
        "publishing": one.in_flight,
        "publishedAt": _time(one.published_at),
        "publishedUrl": one.published_url,
        "publishError": one.publish_error,
        "isSample": one.is_sample,
    }


def suggestion_event_view(event: Event) -> dict[str, Any]:
    return {
        "at": _time(event.at),
        "action": event.action,
        "by": event.by,
        "source": event.source,
        "reason": event.reason,
        "detail": event.detail,
    }


def job_view(
    entry: Entry,
    job_type: JobType,
    clock: ClockView,
    state: JobState | None,
    last_run: Run | None,
) -> dict[str, Any]:
    """An entry of the schedule, or a job that has none there and so no times."""
    scheduled = entry.name in clock.schedule.entries
    pause = clock.pauses.get(entry.name)
    return {
        "name": entry.name,
        "job": entry.job,
        "description": job_type.description,
        "cron": entry.cron if scheduled else None,
        "words": clock.words(entry.name) if scheduled else None,
        "timezone": entry.timezone.key,
        "enabled": scheduled and entry.enabled,
        "paused": pause and {"reason": pause.reason, "until": _time(pause.until), "by": pause.by},
        "state": str(state.state if state else State.OK),
        "stateReason": state and state.reason,
        "nextFires": [
            _time(fire) for fire in (clock.next_fires(entry.name, 3) if scheduled else ())
        ],
        "lastRun": last_run and run_view(last_run),
        "lastSuccessAt": _time(state.last_success_at if state else None),
        "params": params_schema(entry),
    }


def params_schema(entry: Entry) -> dict[str, Any]:
    """What a run can be given, as JSON Schema; the defaults are the schedule's, not the job's."""
    if type(entry.params).from_file_alone:
        description = "None: they come from the schedule file alone."
        return {
            "type": "object",
            "properties": {},
            "additionalProperties": False,
            "description": description,
        }
    schema = type(entry.params).model_json_schema()
    values = entry.params.model_dump(mode="json", by_alias=True)
    for name, field in schema.get("properties", {}).items():
        field["default"] = values[name]
    return schema


def _time(moment: datetime | None) -> str | None:
    return moment.isoformat() if moment else None


def _milliseconds(since: datetime | None, until: datetime | None) -> int | None:
    if since is None or until is None:
        return None
    return round((until - since) / timedelta(milliseconds=1))


def _error(kind: str | None, message: str | None) -> dict[str, str | None] | None:
    return {"type": kind, "message": message} if kind or message else None
