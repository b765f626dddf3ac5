"""What `doctor` looks at: each finding says what is wrong and the next step."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace

from scheduler.app import all_jobs, read_schedule_file, replica_name
from scheduler.db.catalog import Catalog, missing
from scheduler.db.database import Database
from scheduler.db.migrations import Standing, standing
from scheduler.errors import DatabaseAwayError, LamplighterError, SettingsError
from scheduler.now import clock_with
from scheduler.running.registry import JobType
from scheduler.services import Services
from scheduler.settings import Settings, check_exposure, load_settings
from scheduler.sql import load_sql
from scheduler.timing.schedule import ScheduleError

sql = load_sql(__file__)

OLDEST = 140_000
"""PostgreSQL 14, as `server_version_num`."""


MEND = "mend the line, then `lamplighter check`"
NO_FILE = "make it readable, or set LAMPLIGHTER_CONFIG to where the schedule is"


@dataclass(frozen=True, slots=True)
class Finding:
    """`check` is what was looked at, `job` for whom; `fix` what to do where it is not ok."""

    check: str
    ok: bool
    message: str
    fix: str | None = None
    job: str | None = None

    def as_dict(self) -> dict[str, object]:
        return asdict(self)


async def examine() -> list[Finding]:
    """Everything that can be known without running a job. Raises nothing for what it finds."""
    findings: list[Finding] = []
    try:
        settings = load_settings()
        check_exposure(settings)
        findings.append(Finding("settings", True, "within their bounds"))
    except SettingsError as error:
        return [
            Finding("settings", False, f"{name}: {message}", "set it as it says, then look again")
            for name, message in error.problems
        ]
    if settings.cron_secret is None:
        findings.append(
            Finding("secrets", True, "none set: loopback only, the published development secret")
        )
    jobs = all_jobs()
    try:
        entries = read_schedule_file(settings, jobs, strictly=True).entries
        findings.append(Finding("schedule", True, f"{len(entries)} entries"))
    except ScheduleError as error:
        findings.extend(
            Finding("schedule", False, str(problem), MEND if problem.line else NO_FILE)
            for problem in error.problems
        )
    findings.append(await _mail(settings))
    findings.extend(await _alerts(settings))
    findings.extend(await newsletter_providers(settings.services))
    findings.extend(await _database(settings, jobs))
    findings.append(await _github(settings))
    findings.append(await _model(settings))
    return findings


def in_brief(findings: Sequence[Finding]) -> list[Finding]:
    """For people: the jobs whose tables are all there are one line, in the place of the first."""
    whole = [one for one in findings if one.check == "tables" and one.ok]
    brief = [one for one in findings if one not in whole[1:]]
    if whole:
        message = f"all there for {len(whole)} jobs"
        brief[brief.index(whole[0])] = replace(whole[0], message=message, job=None)
    return brief


async def _mail(settings: Settings) -> Finding:
    """Where messages go, and whether the mail server lets us in."""
    from jobs.email.delivery import Trouble
    from jobs.email.message import what_is_lacking
    from jobs.email.smtp import Server, SmtpChannel

    mail = settings.services.mail
    lacking = what_is_lacking(mail.public_url, mail.sender)
    if mail.sender and "MAIL_FROM is an address" in lacking:
        return Finding(
            "mail",
            False,
            f"MAIL_FROM: {mail.sender!r} is no address",
            "set it to news@example.com, or to News <news@example.com>",
        )
    if mail.smtp_url is None:
        return Finding(
            "mail", True, f"messages become files in {mail.folder}; SMTP_URL would send them"
        )
    try:
        server = Server.read(mail.smtp_url)
        channel = SmtpChannel(server)
        await channel.open()
        await channel.close()
    except Trouble as trouble:
        message = f"{trouble} ({trouble.said})" if trouble.said else str(trouble)
        return Finding("mail", False, message, "see the message, and correct SMTP_URL")
    said = f"messages go to {server.host}:{server.port} by SMTP, which lets us in"
    if lacking:
        said += f"; those of sequences wait until {' and '.join(lacking)}"
    return Finding("mail", True, said)


async def _alerts(settings: Settings) -> list[Finding]:
    """Whether Apprise can use each address; nothing is sent."""
    from scheduler.watching.alerts.sending import channels_of, usable

    channels = channels_of([url.get_secret_value() for url in settings.alert_urls])
    if not channels:
        return [Finding("alerts", True, "ALERT_URLS is not set: nobody is told what goes wrong")]
    return [
        Finding(
            "alerts",
            why is None,
            f"channel {channel.number} ({channel.scheme}): {why or 'can be used'}",
            "`lamplighter alert test` sends a message" if why is None else "correct ALERT_URLS",
        )
        for channel, why in zip(channels, await usable(channels), strict=True)
    ]


async def newsletter_providers(services: Services) -> list[Finding]:
    """Each provider that is on: whether it answers and takes the key."""
    from jobs.newsletter.http import new_session
    from jobs.newsletter.provider import ProviderError
    from jobs.newsletter.providers import providers_on

    findings: list[Finding] = []
    async with new_session() as session:
        for provider in providers_on(services, session):
            fix = f"correct the settings {provider.name.upper()}_...; see the README"
            try:
                ok, message = True, f"{provider.label}: {await provider.check()}"
            except ProviderError as error:
                ok, message = False, str(error)
            findings.append(
                Finding("newsletter provider", ok, message, None if ok else fix, "sync-newsletter")
            )
    return findings


async def _github(settings: Settings) -> Finding:
    import structlog

    from agents.github.probe import probe

    log = structlog.stdlib.get_logger("lamplighter.doctor")
    found = await probe(settings.services.github, log, clock_with(settings.offset))
    return Finding("github", found.ok, found.message, found.fix)


async def _model(settings: Settings) -> Finding:
    from agents.kit.probe import probe

    found = await probe(settings.services.model)
    return Finding("model", found.ok, found.message, found.fix)


async def _database(settings: Settings, jobs: Mapping[str, JobType]) -> list[Finding]:
    database = Database.of(settings, replica_name())
    name = "embedded" if database.is_embedded else "DATABASE_URL"
    try:
        await database.open(job_connections=1)
    except LamplighterError as error:
        return [Finding("database", False, str(error), "see the message; or set DATABASE_URL")]
    try:
        return await _inside(database, name, jobs)
    except DatabaseAwayError as error:
        return [Finding("database", False, f"{name}: {error}", "start it, or correct DATABASE_URL")]
    finally:
        await database.close()


def _schema(found: Standing) -> Finding:
    if found.refusal:
        return Finding("schema", False, found.refusal, "use the newer version of lamplighter")
    if found.pending:
        todo = ", ".join(migration.id for migration in found.pending)
        fix = "`lamplighter migrate` (the daemon does it by itself at start)"
        return Finding("schema", False, f"to be applied: {todo}", fix)
    newer = f"; a newer version has laid {', '.join(found.newer)}" if found.newer else ""
    return Finding("schema", True, f"up to date{newer}")


async def _inside(database: Database, name: str, jobs: Mapping[str, JobType]) -> list[Finding]:
    findings: list[Finding] = []
    async with database.connection() as connection:
        server = await sql.server(connection)
        version = server["version"]
        findings.append(
            Finding(
                "database",
                server["number"] >= OLDEST,
                f"{name}: PostgreSQL {version}",
                "upgrade it to PostgreSQL 14 or newer",
            )
        )
        findings.append(_schema(await standing(connection)))
        hidden = [row["table"] async for row in sql.row_security(connection)]
    findings.append(
        Finding(
            "row level security",
            not hidden,
            "does not hide rows from this role"
            if not hidden
            else f"may hide rows of {', '.join(hidden)} from this role",
            "ALTER ROLE ... BYPASSRLS for the daemon's role",
        )
    )
    tables = await Catalog(database.pools).tables()
    for job, kind in jobs.items():
        lacking = missing(kind.job.needs, tables)
        findings.append(
            Finding(
                "tables",
                not lacking,
                "all there" if not lacking else f"missing: {', '.join(lacking)}",
                "create them, or a view of that name on the role's search_path; "
                "or set enabled: false",
                job,
            )
        )
    return findings
