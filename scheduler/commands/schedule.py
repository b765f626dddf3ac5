"""`check`, `next`, `explain`: what the schedule says, without a database."""

from __future__ import annotations

import sys
from datetime import UTC, datetime
from itertools import islice
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import click

from scheduler.commands.output import json_option, print_json, print_table
from scheduler.errors import LamplighterError, SettingsError
from scheduler.now import clock_with
from scheduler.settings import check_exposure, load_settings
from scheduler.suggest import did_you_mean, shown


class Moment(click.ParamType[datetime]):
    """A time in ISO 8601; without an offset it is UTC."""

    name = "TIME"

    def convert(
        self, value: object, param: click.Parameter | None, ctx: click.Context | None
    ) -> datetime:
        if isinstance(value, datetime):
            return value
        try:
            moment = datetime.fromisoformat(str(value))
        except ValueError:
            self.fail(f"{value!r} is no time such as 2026-01-31T08:00+01:00", param, ctx)
        return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


class Zone(click.ParamType[ZoneInfo]):
    """An IANA time zone."""

    name = "ZONE"

    def convert(
        self, value: object, param: click.Parameter | None, ctx: click.Context | None
    ) -> ZoneInfo:
        if isinstance(value, ZoneInfo):
            return value
        try:
            return ZoneInfo(str(value))
        except (ZoneInfoNotFoundError, ValueError, OSError):
            self.fail(f"{value!r} is no time zone such as UTC or Europe/Berlin", param, ctx)


count_option = click.option(
    "-n", "count", type=click.IntRange(1, 1000), default=3, show_default=True, help="How many."
)
from_option = click.option(
    "--from", "start", type=Moment(), default=None, help="Reckon from this time instead of now."
)


@click.command()
@json_option
def check(as_json: bool) -> None:
    """Hold config.yaml and the settings against the jobs. Needs no database."""
    problems: list[dict[str, object]] = []
    try:
        settings = load_settings()
        check_exposure(settings)
    except SettingsError as error:
        problems.extend(
            {"file": "environment", "line": 0, "key": name, "message": message}
            for name, message in error.problems
        )
        settings = None
    entries = 0
    lines: list[str] = [
        f"environment: {problem['key']}: {problem['message']}" for problem in problems
    ]
    if settings is not None:
        from scheduler.app import all_jobs, read_schedule_file
        from scheduler.timing.schedule import ScheduleError

        try:
            schedule = read_schedule_file(settings, all_jobs(), strictly=True)
            entries = len(schedule.entries)
        except ScheduleError as schedule_error:
            for problem in schedule_error.problems:
                lines.append(str(problem))
                problems.append(
                    {
                        "file": problem.file,
                        "line": problem.line,
                        "key": problem.key,
                        "message": problem.message,
                    }
                )
    if as_json:
        print_json({"ok": not problems, "errors": problems})
    elif problems:
        for line in lines:
            click.echo(line, err=True)
    else:
        click.echo(f"ok: {entries} entries")
    sys.exit(1 if problems else 0)


@click.command(name="next")
@click.argument("job", required=False)
@count_option
@from_option
@json_option
def next_fires(job: str | None, count: int, start: datetime | None, as_json: bool) -> None:
    """Show the next fire times of JOB, or of every job."""
    from scheduler.app import all_jobs, read_schedule_file
    from scheduler.timing.cron import Cron

    settings = load_settings()
    entries = read_schedule_file(settings, all_jobs()).entries
    if job is not None and job not in entries:
        guess = did_you_mean(job, entries) or f"; there are {', '.join(entries) or 'none'}"
        raise click.UsageError(f"there is no entry {shown(job)} in {settings.config}{guess}")
    since = start or clock_with(settings.offset)()
    answer = []
    rows: list[tuple[object, ...]] = []
    for name, entry in entries.items():
        if job not in {None, name}:
            continue
        cron = Cron.parse(entry.cron, entry.timezone)
        fires = [fire.astimezone(entry.timezone) for fire in islice(cron.after(since), count)]
        if not entry.enabled:
            fires = []
        answer.append({"job": name, "fires": fires})
        rows.extend(
            (name if place == 0 else "", entry.cron if place == 0 else "", fire)
            for place, fire in enumerate(fires)
        )
        if not fires:
            rows.append((name, entry.cron, "never: it is not enabled"))
    if as_json:
        print_json(answer)
    else:
        print_table(("job", "cron", "fires"), rows)


@click.command()
@click.argument("cron", metavar="CRON", nargs=-1, required=True)
@click.option(
    "--timezone", type=Zone(), default="UTC", show_default=True, help="In which it is meant."
)
@count_option
@from_option
@json_option
def explain(
    cron: tuple[str, ...], timezone: ZoneInfo, count: int, start: datetime | None, as_json: bool
) -> None:
    """Say in plain words when CRON fires, with its next times.

    CRON is one argument, in quotes: "0 6 * * 1".
    """
    from scheduler.timing.cron import Cron, CronError

    if len(cron) > 1:
        # Without quotes the shell has put the names of files where a * was.
        raise click.UsageError('put the expression in quotes, such as "0 6 * * 1"')
    [expression] = cron
    try:
        parsed = Cron.parse(expression, timezone)
    except CronError as error:
        raise LamplighterError(f"{expression!r}: {error}") from None
    since = start or clock_with()()
    fires = [fire.astimezone(timezone) for fire in islice(parsed.after(since), count)]
    if as_json:
        print_json({"words": parsed.words, "fires": fires})
    else:
        click.echo(f"{parsed.words} ({timezone.key})")
        print_table(("fires",), [(fire,) for fire in fires])


COMMANDS = (check, next_fires, explain)
