"""How is a scrape written out? The only module that knows the metrics library, which is imported
when somebody first scrapes: a daemon that nobody scrapes does without.

With many jobs this takes longer than a fire may wait, so it is done a little at a time, and whoever
else wants the event loop comes between.
"""

from __future__ import annotations

import asyncio
import gzip
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import TypeAlias

from prometheus_client import ProcessCollector
from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    InfoMetricFamily,
    Metric,
)
from prometheus_client.exposition import choose_encoder, gzip_accepted
from prometheus_client.registry import Collector
from prometheus_client.utils import floatToGoString

from scheduler.watching.counts import Histogram

Samples: TypeAlias = Iterable[tuple[Sequence[str], float]]
"""Each the values of its labels, and its own."""
Make: TypeAlias = Callable[[Iterable[tuple[Sequence[str], object]]], Metric]
JOB = "job_name"
"""The label of an entry of the schedule, or a job: Prometheus keeps `job` for what it scrapes."""
AT_ONCE = 150
"""Lines that are written without a pause: less than a millisecond."""
END = b"# EOF\n"


@dataclass(frozen=True, slots=True)
class Family:
    """One metric, whose samples are made when they are written."""

    make: Make
    samples: Iterator[tuple[Sequence[str], object]]
    lines: int = 1
    """Of each sample."""


@dataclass(frozen=True, slots=True)
class Written:
    content_type: str
    body: bytes
    is_gzip: bool


async def write(families: Iterable[Family], accept: str, encodings: str) -> Written:
    """In the form that the caller prefers, with what the system knows of this process."""
    encode, content_type = choose_encoder(accept)
    parts: list[bytes] = []
    for family in families:
        batch = list(islice(family.samples, max(AT_ONCE // family.lines, 1)))
        parts.append(encode(_One(family.make(batch))).removesuffix(END))
        while batch:
            await asyncio.sleep(0)
            batch = list(islice(family.samples, max(AT_ONCE // family.lines, 1)))
            if batch:
                lines = encode(_One(family.make(batch))).split(b"\n")[:-1]
                parts += [line + b"\n" for line in lines if not line.startswith(b"#")]
    parts.append(encode(ProcessCollector(registry=None)))
    body = b"".join(parts)
    if not gzip_accepted(encodings):
        return Written(content_type, body, False)
    return Written(content_type, await asyncio.to_thread(gzip.compress, body, 1), True)


class _One(Collector):
    def __init__(self, metric: Metric) -> None:
        self._metric = metric

    def collect(self) -> Iterator[Metric]:
        yield self._metric


def gauge(name: str, text: str, value: float) -> Family:
    return gauges(name, text, (), [((), value)])


def gauges(name: str, text: str, labels: Sequence[str], samples: Samples) -> Family:
    def make(batch: Iterable[tuple[Sequence[str], object]]) -> Metric:
        family = GaugeMetricFamily(name, text, labels=labels)
        for values, value in batch:
            family.add_metric(values, float(value))  # type: ignore[arg-type]
        return family

    return Family(make, iter(samples))


def counters(name: str, text: str, labels: Sequence[str], samples: Samples) -> Family:
    """Its samples are called `name_total`."""

    def make(batch: Iterable[tuple[Sequence[str], object]]) -> Metric:
        family = CounterMetricFamily(name, text, labels=labels)
        for values, value in batch:
            family.add_metric(values, float(value))  # type: ignore[arg-type]
        return family

    return Family(make, iter(samples))


def info(name: str, text: str, values: Mapping[str, str]) -> Family:
    """Its sample is called `name_info`."""
    return Family(lambda _: InfoMetricFamily(name, text, dict(values)), iter([((), None)]))


def histograms(
    name: str,
    text: str,
    labels: Sequence[str],
    samples: Iterable[tuple[Sequence[str], Histogram]],
) -> Family:
    def make(batch: Iterable[tuple[Sequence[str], object]]) -> Metric:
        family = HistogramMetricFamily(name, text, labels=labels)
        for values, seen in batch:
            assert isinstance(seen, Histogram)  # noqa: S101 - narrows
            family.add_metric(values, _buckets(seen), seen.total)
        return family

    return Family(make, iter(samples), lines=15)


def _buckets(seen: Histogram) -> list[tuple[str, float]]:
    buckets: list[tuple[str, float]] = []
    count = 0
    for bound, inside in zip((*seen.bounds, float("inf")), seen.counts, strict=True):
        count += inside
        buckets.append((str(floatToGoString(bound)), count))  # type: ignore[no-untyped-call]
    return buckets
