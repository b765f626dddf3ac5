"""What another version of the schedule changes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, TypeAlias

from pydantic import BaseModel, JsonValue, SecretStr

from scheduler.alerting import AlertPolicy, Kind
from scheduler.entry import Entry, Schedule
from scheduler.job import Json
from scheduler.timing.schedule import Problem
from scheduler.timing.values import written

Difference: TypeAlias = tuple[JsonValue, JsonValue]
"""Before and after; None for what was not there."""


@dataclass(frozen=True, slots=True)
class ReloadResult:
    """The difference that a reload made, or the errors for which it made none."""

    changed: tuple[str, ...] = ()
    added: tuple[str, ...] = ()
    removed: tuple[str, ...] = ()
    errors: tuple[Problem, ...] = ()
    differences: Mapping[str, Mapping[str, Difference]] = field(default_factory=dict)
    """For each changed entry, what of it differs; for an added or removed one, when it fires."""

    @property
    def is_nothing(self) -> bool:
        return not (self.changed or self.added or self.removed or self.errors)

    def as_json(self) -> Json:
        return {
            "changed": list(self.changed),
            "added": list(self.added),
            "removed": list(self.removed),
            "differences": {
                name: {key: list(pair) for key, pair in keys.items()}
                for name, keys in self.differences.items()
            },
        }


@dataclass(frozen=True, slots=True)
class Reloaded:
    """When the schedule file was last read, and with what result."""

    at: datetime
    result: ReloadResult


def difference(old: Schedule, new: Schedule) -> ReloadResult:
    """Entries that differ in anything but their line; `timezone` and the like count as entries."""
    before, after = _settings(old), _settings(new)
    changed = tuple(name for name in after if name in before and after[name] != before[name])
    added = tuple(name for name in after if name not in before)
    removed = tuple(name for name in before if name not in after)
    return ReloadResult(
        changed=changed,
        added=added,
        removed=removed,
        differences={
            name: _differences(before.get(name), after.get(name))
            for name in (*changed, *added, *removed)
        },
    )


def _differences(
    before: Mapping[str, JsonValue] | None, after: Mapping[str, JsonValue] | None
) -> dict[str, Difference]:
    """Of an entry that comes or goes only when it fires: the rest is in the file."""
    old, new = before or {}, after or {}
    keys = dict.fromkeys((*old, *new))
    if before is None or after is None:
        keys = {key: None for key in keys if key in {"cron", "timezone"}}
    pairs = {key: (old.get(key), new.get(key)) for key in keys}
    return {key: _shown(key, pair) for key, pair in pairs.items() if pair[0] != pair[1]}


def _shown(key: str, pair: Difference) -> Difference:
    """Who knows the address of a dead man's switch can call it: only that it changed is said."""
    if key != "ping":
        return pair
    old, new = pair
    return (old and "set", new and ("set" if old is None else "another"))


def _settings(schedule: Schedule) -> dict[str, dict[str, JsonValue]]:
    """Everything that can differ, by name; what stands above the jobs has no entry's name."""
    settings = {name: _written(entry) for name, entry in schedule.entries.items()}
    settings["(max_concurrent_runs)"] = {"value": schedule.max_concurrent_runs}
    settings["(timezone)"] = {"value": schedule.timezone.key}
    settings["(ping)"] = {"ping": _secret(schedule.ping)}
    settings["(alerts)"] = _alerts(schedule.alerts)
    for part in ("defaults", "caps", "auto_publish"):
        model: BaseModel = getattr(schedule.agents, part)
        settings[f"(agents.{part})"] = _flat("", model.model_dump())
    settings["(agents.prices)"] = _flat(
        "", {name: price.model_dump() for name, price in schedule.agents.prices.items()}
    )
    return settings


def _written(entry: Entry) -> dict[str, JsonValue]:
    """An entry's keys as the file has them."""
    return {
        "job": entry.job,
        "cron": entry.cron,
        "timezone": entry.timezone.key,
        "enabled": entry.enabled,
        "timeout": written(entry.timeout),
        "retry.attempts": entry.retry.attempts,
        "retry.backoff": written(entry.retry.backoff),
        "retry.max_backoff": written(entry.retry.max_backoff),
        "overlap": str(entry.overlap),
        "catch_up": str(entry.catch_up),
        "catch_up_window": written(entry.catch_up_window),
        "jitter": written(entry.jitter),
        "ping": _secret(entry.ping),
        **_flat("params.", entry.params.model_dump(mode="json")),
    }


def _secret(value: SecretStr | None) -> str | None:
    return None if value is None else value.get_secret_value()


def _alerts(policy: AlertPolicy) -> dict[str, JsonValue]:
    return {
        **{f"kinds.{kind}": kind not in policy.off for kind in Kind},
        "repeated_failures": policy.repeated_failures,
        "overdue_grace": written(policy.overdue_grace),
        "database_grace": written(policy.database_grace),
        "group_for": written(policy.group_for),
        "most_per_hour": policy.most_per_hour,
        "remind_every": None if policy.remind_every is None else written(policy.remind_every),
        "silences": [
            {
                "job": silence.job,
                "kinds": [*sorted(silence.kinds)],
                "until": silence.until.isoformat() if silence.until else None,
            }
            for silence in policy.silences
        ],
    }


def _flat(prefix: str, values: Mapping[str, Any]) -> dict[str, JsonValue]:
    flat: dict[str, JsonValue] = {}
    for key, value in values.items():
        match value:
            case dict():
                flat.update(_flat(f"{prefix}{key}.", value))
            case frozenset():
                flat[f"{prefix}{key}"] = [*sorted(map(str, value))]
            case _:
                flat[f"{prefix}{key}"] = value
    return flat
