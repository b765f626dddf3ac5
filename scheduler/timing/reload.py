"""What another version of the schedule changes."""

from __future__ import annotations

from dataclasses import dataclass, replace

from scheduler.entry import Schedule
from scheduler.timing.schedule import Problem


@dataclass(frozen=True, slots=True)
class ReloadResult:
    """The difference that a reload made, or the errors for which it made none."""

    changed: tuple[str, ...] = ()
    added: tuple[str, ...] = ()
    removed: tuple[str, ...] = ()
    errors: tuple[Problem, ...] = ()


def difference(old: Schedule, new: Schedule) -> ReloadResult:
    """Entries that differ in anything but their line; `timezone` and the like count as entries."""
    before, after = _settings(old), _settings(new)
    return ReloadResult(
        changed=tuple(name for name in after if name in before and after[name] != before[name]),
        added=tuple(name for name in after if name not in before),
        removed=tuple(name for name in before if name not in after),
    )


def _settings(schedule: Schedule) -> dict[str, object]:
    """Everything that can differ, by name; what stands above the jobs has no entry's name."""
    settings: dict[str, object] = {
        name: replace(entry, line=0) for name, entry in schedule.entries.items()
    }
    settings["(max_concurrent_runs)"] = schedule.max_concurrent_runs
    settings["(timezone)"] = schedule.timezone
    return settings
