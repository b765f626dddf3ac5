"""How is a scrape written out? The only module that knows the metrics library, which is imported
when somebody first scrapes: a daemon that nobody scrapes does without.
"""

from __future__ import annotations

import gzip
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
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
Family: TypeAlias = Metric
JOB = "job_name"
"""The label of an entry of the schedule, or a job: Prometheus keeps `job` for what it scrapes."""


@dataclass(frozen=True, slots=True)
class Written:
    content_type: str
    body: bytes
    is_gzip: bool


def write(families: Callable[[], Iterator[Family]], accept: str, encodings: str) -> Written:
    """In the form that the caller prefers, with what the system knows of this process."""
    encode, content_type = choose_encoder(accept)
    body = encode(_Whole(families))
    compress = gzip_accepted(encodings)
    return Written(content_type, gzip.compress(body, 1) if compress else body, compress)


class _Whole(Collector):
    def __init__(self, families: Callable[[], Iterator[Family]]) -> None:
        self._families = families

    def collect(self) -> Iterator[Family]:
        yield from self._families()
        yield from ProcessCollector(registry=None).collect()


def gauge(name: str, text: str, value: float) -> Family:
    return GaugeMetricFamily(name, text, value=float(value))


def gauges(name: str, text: str, labels: Sequence[str], samples: Samples) -> Family:
    return _filled(GaugeMetricFamily(name, text, labels=labels), samples)


def counters(name: str, text: str, labels: Sequence[str], samples: Samples) -> Family:
    """Its samples are called `name_total`."""
    return _filled(CounterMetricFamily(name, text, labels=labels), samples)


def info(name: str, text: str, values: Mapping[str, str]) -> Family:
    """Its sample is called `name_info`."""
    return InfoMetricFamily(name, text, dict(values))


def histograms(
    name: str,
    text: str,
    labels: Sequence[str],
    samples: Iterable[tuple[Sequence[str], Histogram]],
) -> Family:
    family = HistogramMetricFamily(name, text, labels=labels)
    for values, seen in samples:
        buckets: list[tuple[str, float]] = []
        count = 0
        for bound, inside in zip((*seen.bounds, float("inf")), seen.counts, strict=True):
            count += inside
            buckets.append((_written(bound), count))
        family.add_metric(values, buckets, seen.total)
    return family


def _filled(family: CounterMetricFamily | GaugeMetricFamily, samples: Samples) -> Family:
    for values, value in samples:
        family.add_metric(values, float(value))
    return family


def _written(bound: float) -> str:
    return str(floatToGoString(bound))  # type: ignore[no-untyped-call]
