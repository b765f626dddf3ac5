"""What does a whole crontab become? A schedule file, and what is to be said about it."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Final
from zoneinfo import ZoneInfo

from jobs.calls.secrecy import looks_secret
from scheduler.moving.cronjobs import CronJob, Unfit, read_cronjobs
from scheduler.moving.crontab import Broken, Comment, Setting, Timed, is_timed, read_crontab
from scheduler.moving.entries import HTTP_REQUEST, Made, Maker
from scheduler.moving.errors import CannotError
from scheduler.moving.lines import Found, asked_by, asked_by_words
from scheduler.moving.secrets import Secrets, Wanted
from scheduler.running.registry import JobType
from scheduler.timing.cron import Cron, CronError

_FREE: Final = re.compile(
    r"health|runs/.+|orchestration/(health|project/.+)|.+/(trigger|pause|resume)"
)
_MOST_COMMENTS: Final = 5
"""Lines of comments that go over with an entry."""


@dataclass(frozen=True, slots=True)
class Entry:
    """One entry of the schedule file."""

    name: str
    line: int
    keys: Mapping[str, Any]
    comments: Sequence[str]
    """What the crontab says above it."""
    notes: Sequence[str]
    """What is otherwise than in the crontab."""


@dataclass(frozen=True, slots=True)
class Missing:
    """What does not go over."""

    line: int
    what: str
    why: str


@dataclass(slots=True)
class Imported:
    timezone: ZoneInfo
    system: bool = False
    entries: list[Entry] = field(default_factory=list)
    left_out: list[Missing] = field(default_factory=list)
    notes: list[tuple[int, str]] = field(default_factory=list)
    """By line; 0 where it is about all of it."""
    wanted: list[Wanted] = field(default_factory=list)
    set_in_crontab: frozenset[str] = frozenset()
    """Variables that the crontab sets itself."""


def import_crontab(
    text: str,
    jobs: Mapping[str, JobType],
    timezone: ZoneInfo,
    *,
    system: bool | None = None,
    own_settings: frozenset[str] = frozenset(),
) -> Imported:
    lines, is_system = read_crontab(text, system=system)
    return _Importer(jobs, timezone, own_settings).imported(lines, is_system)


def import_cronjobs(
    text: str, jobs: Mapping[str, JobType], timezone: ZoneInfo, *, own_settings: frozenset[str]
) -> Imported:
    """Of Kubernetes' CronJobs, as YAML or JSON. Raises `ValueError` where it is neither."""
    return _Importer(jobs, timezone, own_settings).of_cronjobs(read_cronjobs(text))


@dataclass(frozen=True, slots=True)
class Own:
    """What the place where a line stands says about its entry."""

    stem: str
    keys: Mapping[str, Any]
    notes: Sequence[str]


class _Importer:
    def __init__(
        self, jobs: Mapping[str, JobType], timezone: ZoneInfo, own_settings: frozenset[str]
    ) -> None:
        settings: dict[str, str] = {}
        self._secrets = Secrets(settings, taken=own_settings)
        self._maker = Maker(jobs, self._secrets, settings)
        self._jobs = jobs
        self._found = Imported(timezone)
        self._zone: ZoneInfo | None = timezone
        """None where the crontab names one that does not exist."""
        self._names: set[str] = set()
        self._comments: list[str] = []

    def imported(
        self, lines: Sequence[Comment | Setting | Timed | Broken], system: bool
    ) -> Imported:
        self._found.system = system
        last = 0
        for line in lines:
            if line.number > last + 1:
                self._comments.clear()  # an empty line parts them from what follows
            last = line.number
            match line:
                case Comment(text=text):
                    self._comment(text)
                case Setting():
                    self._comments.clear()
                    self._setting(line)
                case Broken(number, why):
                    self._found.left_out.append(Missing(number, "", why))
                case Timed():
                    self._timed(line)
        return self._done()

    def of_cronjobs(self, jobs: Sequence[CronJob | Unfit]) -> Imported:
        for job in jobs:
            match job:
                case Unfit(number, what, why):
                    self._found.left_out.append(Missing(number, what, why))
                case CronJob():
                    self._cronjob(job)
        return self._done()

    def _cronjob(self, job: CronJob) -> None:
        self._maker.settings.clear()
        self._maker.settings.update(job.values)
        try:
            self._zone = ZoneInfo(job.zone) if job.zone else self._found.timezone
            cron = self._cron(job.when)
        except CannotError as error:
            self._found.left_out.append(Missing(job.number, job.name, str(error)))
        except (LookupError, ValueError, OSError):
            self._found.left_out.append(Missing(job.number, job.name, "its timeZone is none"))
        else:
            stem = re.sub(r"[^a-z0-9]+", "-", job.name.lower()).strip("-")
            own = Own(stem, job.keys, job.notes)
            self._take(asked_by_words(job.words), job.number, cron, [f"CronJob {job.name}"], own)

    def _done(self) -> Imported:
        self._found.wanted = list(self._secrets.wanted.values())
        self._found.set_in_crontab = frozenset(self._maker.settings)
        return self._found

    def _comment(self, text: str) -> None:
        """What explains goes over; what was turned off, or may hold a secret, does not."""
        text = "".join(char if char.isprintable() else " " for char in text).strip()
        is_heading = text.lower().split()[:2] in (["m", "h"], ["min", "hour"], ["minute", "hour"])
        is_off = is_timed(text) or "=" in text
        if text and not is_heading and not is_off and not looks_secret(text):
            self._comments.append(text[:200])

    def _setting(self, line: Setting) -> None:
        self._maker.settings[line.name] = line.value
        match line.name:
            case "CRON_TZ":
                try:
                    self._zone = ZoneInfo(line.value)
                except (LookupError, ValueError, OSError):
                    self._zone = None
                    self._note(line.number, "CRON_TZ is no time zone: what follows is left out")
            case "TZ":
                self._note(
                    line.number,
                    "TZ changes what a command sees, not when cron runs it; if yours reckons in it,"
                    " import again with --timezone",
                )
            case "MAILTO" if line.value:
                self._note(
                    line.number, "MAILTO: no output is mailed; `alerts:` tells of what fails"
                )
            case _:
                pass

    def _timed(self, line: Timed) -> None:
        comments, self._comments = self._comments[-_MOST_COMMENTS:], []
        try:
            cron = self._cron(line.when)
        except CannotError as error:
            self._found.left_out.append(Missing(line.number, "", str(error)))
            return
        self._take(asked_by(line.command, line.stdin), line.number, cron, comments)

    def _take(
        self, found: Found, number: int, cron: str, comments: Sequence[str], own: Own | None = None
    ) -> None:
        """Make entries of what was found in a line, and note what of it was left out."""
        missing = [Missing(number, one.what, one.why) for one in found.left_out]
        if not found.calls and not missing:
            missing = [Missing(number, "", "does nothing that lamplighter could do")]
        self._found.left_out += missing
        for asked in found.calls:
            try:
                made = self._maker.made(asked, number)
            except CannotError as error:
                self._found.left_out.append(Missing(number, "", str(error)))
                continue
            if own is not None:
                stem = own.stem if made.job == HTTP_REQUEST and own.stem else made.stem
                keys = {**made.keys, **own.keys}
                keys |= {"params": keys.pop("params")} if "params" in keys else {}
                made = replace(made, stem=stem, keys=keys, notes=(*own.notes, *made.notes))
            self._found.entries.append(self._entry(made, number, cron, comments))
            comments = []

    def _cron(self, when: str) -> str:
        """Raises `CannotError`."""
        if when.lower() == "@reboot":
            raise CannotError(
                "@reboot is no time: what starts lamplighter can run the job too, with "
                "`lamplighter run JOB`"
            )
        if self._zone is None:
            raise CannotError("its CRON_TZ is no time zone")
        try:
            return Cron.parse(when, self._zone).expression
        except CronError as error:
            raise CannotError(f"its times are none: {error}") from None

    def _entry(self, made: Made, line: int, cron: str, comments: Sequence[str]) -> Entry:
        keys: dict[str, Any] = {}
        name = self._name(made)
        if name != made.job:
            keys["job"] = made.job
        keys["cron"] = cron
        if self._zone is not None and self._zone != self._found.timezone:
            keys["timezone"] = self._zone.key
        self._names.add(name)
        for note in made.notes:
            self._note(line, note)
        return Entry(name, line, {**keys, **made.keys}, comments, made.notes)

    def _name(self, made: Made) -> str:
        """Free, and no other job's."""
        name, number = made.stem, 1
        while (
            name in self._names
            or _FREE.fullmatch(name)
            or (name in self._jobs and name != made.job)
            or (name == made.job and self._jobs[name].job.params.from_file_alone)
        ):
            number += 1
            name = f"{made.stem}-{number}"
        return name

    def _note(self, line: int, text: str) -> None:
        self._found.notes.append((line, text))
