"""`import crontab|cronjobs`: what ran the jobs until now becomes a schedule file."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Final, NoReturn
from zoneinfo import ZoneInfo

import click

from scheduler.commands.output import json_option, print_json
from scheduler.commands.schedule import Zone

if TYPE_CHECKING:
    from scheduler.moving.importing import Imported
    from scheduler.moving.secrets import Wanted
    from scheduler.running.registry import JobType

MOST_BYTES: Final = 1024 * 1024
NOT_SAID: Final = "times are reckoned in UTC; if {} in another zone, import again with --timezone"
WITH_USERS: Final = "read as a system's crontab, with a column for the user; --no-system if not"


@click.group(name="import")
def importing() -> None:
    """Move over from what ran the product's jobs until now."""


@importing.command()
@click.argument("file", type=click.Path(allow_dash=True, dir_okay=False))
@click.option(
    "--timezone",
    type=Zone(),
    help="In which the crontab's machine reckons; UTC if not given.",
)
@click.option(
    "--system/--no-system",
    default=None,
    help="Whether it has a column for the user, as /etc/crontab has; told from its lines.",
)
@json_option
def crontab(file: str, timezone: ZoneInfo | None, system: bool | None, as_json: bool) -> None:
    """Make a schedule file of the crontab FILE.

    FILE may be -, for standard input. Calls of worker routes by wget or curl become the jobs' own
    entries, calls of other addresses entries of http-request. Nothing in the crontab is run. The
    schedule goes to standard output; what does not go over, and which variables are to be set, to
    standard error.

    Exit status: 0 all of it went over, 1 something was left out, 2 wrong usage.
    """
    from scheduler.moving.importing import import_crontab
    from scheduler.settings import own_names

    imported = import_crontab(
        _read(file), _jobs(), timezone or ZoneInfo("UTC"), system=system, own_settings=own_names()
    )
    if imported.system and system is None:
        imported.notes.insert(0, (0, WITH_USERS))
    if timezone is None and "CRON_TZ" not in imported.set_in_crontab:
        imported.notes.insert(0, (0, NOT_SAID.format("the crontab's machine is")))
    _end(imported, file, as_json=as_json)


@importing.command()
@click.argument("file", type=click.Path(allow_dash=True, dir_okay=False))
@click.option(
    "--timezone",
    type=Zone(),
    help="Of CronJobs without a timeZone: the cluster's; UTC if not given.",
)
@json_option
def cronjobs(file: str, timezone: ZoneInfo | None, as_json: bool) -> None:
    """Make a schedule file of the Kubernetes CronJobs in FILE.

    They are YAML or JSON, as `kubectl get cronjobs -o yaml` prints them; from standard input if
    FILE is -. All else is as with `import crontab`.

    Exit status: 0 all of it went over, 1 something was left out, 2 wrong usage.
    """
    from scheduler.moving.importing import import_cronjobs
    from scheduler.settings import own_names

    try:
        imported = import_cronjobs(
            _read(file), _jobs(), timezone or ZoneInfo("UTC"), own_settings=own_names()
        )
    except ValueError as error:
        raise click.UsageError(f"{file} {error}") from None
    if timezone is None:
        imported.notes.insert(0, (0, NOT_SAID.format("the cluster's control plane is")))
    _end(imported, file, as_json=as_json)


def _jobs() -> Mapping[str, JobType]:
    from scheduler.app import all_jobs

    return all_jobs()


def _end(imported: Imported, file: str, *, as_json: bool) -> NoReturn:
    """Print what came of it, and exit as it says."""
    from scheduler.moving.writing import written

    name = "standard input" if file == "-" else Path(file).name
    config = written(imported, name, {name: kind.job.params for name, kind in _jobs().items()})
    if as_json:
        print_json(_told(imported, config))
    else:
        click.echo(config, nl=False)
        _say(imported, name)
    sys.exit(1 if imported.left_out else 0)


def _read(file: str) -> str:
    """Raises `click.UsageError`: the exit status 1 would say that some of it went over."""
    try:
        if file == "-":
            content = sys.stdin.buffer.read(MOST_BYTES + 1)
        else:
            with Path(file).open("rb") as opened:
                content = opened.read(MOST_BYTES + 1)
    except OSError as error:
        raise click.UsageError(f"{file} cannot be read: {error.strerror or error}") from None
    if len(content) > MOST_BYTES:
        raise click.UsageError(f"{file} is longer than a MiB, which no crontab is")
    try:
        return content.decode()
    except UnicodeDecodeError:
        raise click.UsageError(f"{file} is no UTF-8 text") from None


def _say(imported: Imported, name: str) -> None:
    """To a person, in the order of the lines."""
    said = [(line, text) for line, text in imported.notes]
    said += [
        (one.line, f"left out: {f'{one.what}: ' if one.what else ''}{one.why}")
        for one in imported.left_out
    ]
    for line, text in sorted(said, key=lambda pair: pair[0]):
        click.echo(f"{name}:{line}: {text}" if line else f"{name}: {text}", err=True)
    for variable in imported.wanted:
        lines = ", ".join(map(str, variable.lines))
        click.echo(f"set {variable.name} (line {lines}): {_set_to(variable, imported)}", err=True)


def _set_to(variable: Wanted, imported: Imported) -> str:
    if variable.what:
        return variable.what
    if variable.name in imported.set_in_crontab:
        return "what it is set to there"
    return "what it is where this ran until now"


def _told(imported: Imported, config: str) -> dict[str, object]:
    return {
        "ok": not imported.left_out,
        "config": config,
        "entries": [
            {
                "name": entry.name,
                "line": entry.line,
                "job": entry.keys.get("job", entry.name),
                "cron": entry.keys["cron"],
            }
            for entry in imported.entries
        ],
        "leftOut": [
            {"line": one.line, "command": one.what or None, "reason": one.why}
            for one in sorted(imported.left_out, key=lambda one: one.line)
        ],
        "notes": [{"line": line or None, "note": text} for line, text in imported.notes],
        "variables": [
            {
                "name": variable.name,
                "lines": variable.lines,
                "setTo": _set_to(variable, imported),
            }
            for variable in imported.wanted
        ],
    }


COMMANDS = (importing,)
