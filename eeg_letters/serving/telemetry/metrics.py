"""Prometheus metrics; the number of series is bounded, whatever clients send."""

from __future__ import annotations

from bisect import bisect_left
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import accumulate

from prometheus_client import CollectorRegistry, ProcessCollector, generate_latest
from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    InfoMetricFamily,
)
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

from eeg_letters.labels import Labels

BUCKETS = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5)
CONTENT_TYPE = b"text/plain; version=0.0.4; charset=utf-8"

# Route template, method and status of an answer.
Answered = tuple[str, str, int]


class _Series:
    __slots__ = ("buckets", "seconds")

    def __init__(self) -> None:
        self.buckets = [0] * (len(BUCKETS) + 1)
        self.seconds = 0.0


class Metrics(Collector):
    """Counts kept as plain numbers, made into metrics when they are asked for.

    Parameters
    ----------
    versions : dict of str to str
        Version of each model by its title, in the order of the answers.
    labels : Labels
        What classes are called.

    Attributes
    ----------
    connections : int
        Connections that are open.
    in_flight : int
        Requests being answered.
    predictions : list of list of int
        For each model, how often it gave each class.
    rows_scored : int
        Rows that were labelled, by one model or all of them.
    """

    def __init__(self, versions: Mapping[str, str], labels: Labels) -> None:
        self._versions = versions
        self._labels = labels
        self._series: defaultdict[Answered, _Series] = defaultdict(_Series)
        self._registry = CollectorRegistry()
        self._registry.register(self)
        ProcessCollector(registry=self._registry)
        self.connections = 0
        self.in_flight = 0
        self.predictions = [[0] * len(labels.names) for _ in versions]
        self.rows_scored = 0

    def observe(self, labels: Answered, seconds: float) -> None:
        """Count an answer and how long it took."""
        series = self._series[labels]
        series.buckets[bisect_left(BUCKETS, seconds)] += 1
        series.seconds += seconds

    def count_predictions(self, classes_by_model: Iterable[Sequence[int]]) -> None:
        """Count rows by the class that each model gave them; none where a model was not asked."""
        rows = 0
        for counts, classes in zip(self.predictions, classes_by_model, strict=True):
            rows = max(rows, len(classes))
            for place in classes:
                counts[place] += 1
        self.rows_scored += rows

    def exposition(self) -> bytes:
        """All metrics in Prometheus' text format."""
        return generate_latest(self._registry)

    def collect(self) -> Iterator[Metric]:
        """Make the metrics; called by the registry."""
        requests = CounterMetricFamily(
            "eeg_http_requests",
            "Answers by route template, method and status.",
            labels=("route", "method", "status"),
        )
        durations = HistogramMetricFamily(
            "eeg_http_request_duration_seconds",
            "Time from a request's head to the end of its answer.",
            labels=("route",),
        )
        by_route: defaultdict[str, _Series] = defaultdict(_Series)
        for (route, method, status), series in self._series.items():
            requests.add_metric((route, method, str(status)), sum(series.buckets))
            merged = by_route[route]
            merged.seconds += series.seconds
            merged.buckets = [a + b for a, b in zip(merged.buckets, series.buckets, strict=True)]
        bounds = [*map(str, BUCKETS), "+Inf"]
        for route, series in by_route.items():
            cumulative = list(zip(bounds, accumulate(series.buckets), strict=True))
            durations.add_metric((route,), cumulative, series.seconds)
        predictions = CounterMetricFamily(
            "eeg_predictions",
            f"Rows by the {self._labels.noun} a model gave them.",
            labels=("model", self._labels.noun),
        )
        info = InfoMetricFamily("eeg_model", "The models that answer.", labels=("model",))
        for (model, version), counts in zip(self._versions.items(), self.predictions, strict=True):
            info.add_metric((model,), {"version": version})
            for name, count in zip(self._labels.names, counts, strict=True):
                predictions.add_metric((model, name), count)
        yield from (requests, durations, predictions, info)
        yield GaugeMetricFamily("eeg_http_connections", "Connections open.", self.connections)
        yield GaugeMetricFamily(
            "eeg_http_requests_in_flight", "Requests being answered.", self.in_flight
        )
        yield CounterMetricFamily(
            "eeg_rows_scored", "Rows labelled, by one model or all.", self.rows_scored
        )
