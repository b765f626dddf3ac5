"""Does doctor keep short what is well, and whole what is not?"""

from __future__ import annotations

from scheduler.commands.checks import Finding, in_brief


def tables(job: str, *, ok: bool = True) -> Finding:
    return Finding("tables", ok, "all there" if ok else "missing: a", "create them", job)


def test_jobs_whose_tables_are_there_are_one_line() -> None:
    schema, model = Finding("schema", True, "up to date"), Finding("model", True, "none")
    bad = tables("b", ok=False)
    brief = in_brief([schema, tables("a"), bad, tables("c"), model])
    assert [(one.check, one.job, one.message) for one in brief] == [
        ("schema", None, "up to date"),
        ("tables", None, "all there for 2 jobs"),
        ("tables", "b", "missing: a"),
        ("model", None, "none"),
    ]


def test_where_no_job_has_its_tables_nothing_is_put_together() -> None:
    findings = [Finding("schema", True, "up to date"), tables("a", ok=False), tables("b", ok=False)]
    assert in_brief(findings) == findings
