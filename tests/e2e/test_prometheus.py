"""Do the alert rules that ship ask for what a real daemon tells, and only for that?"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import promql_parser as promql
import pytest
import yaml
from prometheus_client.parser import text_string_to_metric_families

from scheduler.app import all_jobs
from tests.support.daemon import SECRET, daemon
from tests.support.machine import connect

ROOT = Path(__file__).resolve().parent.parent.parent
RULES: list[dict[str, Any]] = [
    rule
    for group in yaml.safe_load((ROOT / "deploy/prometheus/alerts.yaml").read_text())["groups"]
    for rule in group["rules"]
]
SCHEDULE = "\n".join(
    [
        "jobs:",
        *(
            f"  {name}: {{cron: '0 0 1 1 *'}}"
            for name, kind in sorted(all_jobs().items())
            if kind.job.changes or kind.job.counts
        ),
    ]
)
OF_THE_TARGET = {"job", "instance"}
"""Labels that Prometheus sets."""

Scrape = dict[str, dict[str, set[str]]]
"""The values of each label of each sample."""


class Selected(NamedTuple):
    name: str
    matchers: list[tuple[str, str, bool]]
    """Label, value, and whether it is an equality."""


def walk(node: Any) -> Iterator[Any]:
    """Every part of an expression."""
    yield node
    for part in ("lhs", "rhs", "expr", "param", "vector_selector"):
        if (inner := getattr(node, part, None)) is not None:
            yield from walk(inner)
    for argument in getattr(node, "args", None) or ():
        yield from walk(argument)


def selected(expression: str) -> list[Selected]:
    found = []
    for node in walk(promql.parse(expression)):
        if isinstance(node, promql.VectorSelector):
            matchers = [
                (one.name, one.value, one.op == promql.MatchOp.Equal)
                for one in node.matchers.matchers
            ]
            found.append(Selected(str(node.name), matchers))
    return found


def grouped(expression: str) -> set[str]:
    """Every label that the expression groups or joins by."""
    return {
        label.strip()
        for labels in re.findall(r"\b(?:by|on|ignoring|without) *\(([^)]*)\)", expression)
        for label in labels.split(",")
    }


@pytest.fixture
async def scraped(database: str, tmp_path: Path) -> Scrape:
    """Of a daemon that has run each job that counts what it does."""
    async with connect(database) as connection:
        await connection.execute(
            'INSERT INTO lamplighter.github_quota (token_hash, resource, "limit", remaining, '
            "reset_at, seen_at) VALUES ('x', 'core', 5000, 10, now(), now())"
        )
        await connection.execute(
            "INSERT INTO lamplighter.conditions (name, reason, since) VALUES ('x', 'y', now())"
        )
    async with daemon(tmp_path, SCHEDULE, DATABASE_URL=database) as one:
        await one.until_ready()
        headers = {"Authorization": f"Bearer {SECRET}"}
        async with one.session.get(f"{one.url}/metrics", headers=headers) as response:
            text = await response.text()
    found: Scrape = {}
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            labels = found.setdefault(sample.name, {})
            for label, value in sample.labels.items():
                labels.setdefault(label, set()).add(value)
    found["up"] = {"job": {"lamplighter"}, "instance": {"x"}}
    return found


async def test_the_rules_name_only_what_is_scraped(scraped: Scrape) -> None:
    asked = 0
    for rule in RULES:
        expression = rule["expr"]
        names = set()
        for metric in selected(expression):
            asked += 1
            assert metric.name in scraped, (rule["alert"], metric.name)
            labels = scraped[metric.name]
            names |= {*labels, *OF_THE_TARGET}
            for label, value, is_equal in metric.matchers:
                assert label in labels, (rule["alert"], label)
                assert not is_equal or value in labels[label], (rule["alert"], label, value)
        assert grouped(expression) <= names, rule["alert"]
    assert asked >= len(RULES)


def test_every_rule_says_what_and_what_to_do() -> None:
    document = (ROOT / "docs/metrics.md").read_text()
    sections = re.findall(r"^### (\w+)$", document, re.MULTILINE)
    assert [rule["alert"] for rule in RULES] == sections
    for rule in RULES:
        assert rule["labels"]["severity"] in {"warning", "critical"}
        texts = rule["annotations"]
        assert set(texts) == {"summary", "description", "runbook"}
        assert texts["runbook"] == f"docs/metrics.md#{rule['alert'].lower()}"
        used = set(re.findall(r"\$labels\.(\w+)", texts["summary"] + texts["description"]))
        kept = grouped(rule["expr"])
        is_aggregated = re.match(
            r"\(?(max|min|sum|absent|histogram_quantile)\b|\(time", rule["expr"]
        )
        assert used <= (kept if is_aggregated else {"instance", "pool"}), rule["alert"]


def test_what_no_parser_takes_is_noticed() -> None:
    for broken in ("max by (lamplighter_jobs", "lamplighter_jobs{state=ok}", "rate(x)", "a >"):
        with pytest.raises(ValueError, match=r"\S"):
            promql.parse(broken)


def test_the_scrape_example_is_for_this_daemon() -> None:
    example = yaml.safe_load((ROOT / "deploy/prometheus/scrape.yaml").read_text())
    [config] = example["scrape_configs"]
    assert config["job_name"] == "lamplighter"
    assert config["metrics_path"] == "/metrics"
    assert config["authorization"]["credentials_file"].endswith("/admin_secret")
    assert [(ROOT / "deploy/prometheus" / name).exists() for name in example["rule_files"]]


async def test_what_jobs_declare_to_count_is_in_their_data(database: str, tmp_path: Path) -> None:
    kinds = {
        name: kind.job for name, kind in all_jobs().items() if kind.job.changes or kind.job.counts
    }
    skipped, counted = set(), set()
    async with daemon(tmp_path, SCHEDULE, DATABASE_URL=database) as one:
        await one.until_ready()
        for name, job in kinds.items():
            status, body = await one.call(f"/api/v1/workers/{name}", "POST")
            assert status == 200, (name, body)
            data = body["data"]
            if "reason" in data:
                skipped.add(name)
                continue
            for key in (*job.changes, *job.counts):
                assert isinstance(data.get(key, 0), int | list), (name, key)
                counted |= {(name, key) for key in (*job.changes, *job.counts) if key in data}
    assert skipped == {"orchestration/github-sync"}  # it has no token
    declared = {(name, key) for name, job in kinds.items() for key in (*job.changes, *job.counts)}
    unseen = {(name, key) for name, key in declared - counted if name not in skipped}
    assert unseen == {("orchestration/retry-failed", "suggestionsCreated")}  # nothing had failed
