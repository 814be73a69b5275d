"""Prometheus metrics; the number of series is bounded, whatever clients send.

There may be a few thousand of them. prometheus_client takes 20 ms to write so many, in which
nothing else would be answered: families of many series are written here.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import accumulate, chain
from operator import add

import numpy as np
from numpy.typing import NDArray
from prometheus_client import CollectorRegistry, ProcessCollector, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, InfoMetricFamily
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

from eeg_letters.labels import Labels

BUCKETS = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5)
_BOUNDS = (*map(str, BUCKETS), "+Inf")
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
    rows_judged, rows_unfamiliar : int
        Rows of clients of which it was found out whether they are like those of the training, and
        those of them that are not.
    """

    def __init__(self, versions: Mapping[str, str], labels: Labels) -> None:
        self._versions = versions
        self._noun = labels.noun
        # What stands before the counts, in their order.
        self._predicted = [
            f'eeg_predictions_total{{{labels.noun}="{_escaped(name)}",model="{_escaped(model)}"}}'
            for model in versions
            for name in labels.names
        ]
        self._series: defaultdict[Answered, _Series] = defaultdict(_Series)
        self._registry = CollectorRegistry()
        self._registry.register(self)
        ProcessCollector(registry=self._registry)
        self.connections = 0
        self.in_flight = 0
        self.predictions = [[0] * len(labels.names) for _ in versions]
        self.rows_scored = 0
        self.rows_judged = 0
        self.rows_unfamiliar = 0

    def add(self, collector: Collector) -> None:
        """Ask another collector of few series, too."""
        self._registry.register(collector)

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

    def count_prediction(self, classes: Iterable[int]) -> None:
        """Count one row by the class that each model gave it."""
        for counts, place in zip(self.predictions, classes, strict=True):
            counts[place] += 1
        self.rows_scored += 1

    def count_judged(self, familiar: NDArray[np.bool_] | None) -> None:
        """Count rows by whether they are familiar; none where that is not known."""
        if familiar is not None:
            self.rows_judged += len(familiar)
            self.rows_unfamiliar += len(familiar) - int(np.count_nonzero(familiar))

    def exposition(self) -> bytes:
        """All metrics in Prometheus' text format."""
        lines = [*self._requests(), *self._predictions(), ""]
        return generate_latest(self._registry) + "\n".join(lines).encode()

    def collect(self) -> Iterator[Metric]:
        """Make the metrics of few series; called by the registry."""
        info = InfoMetricFamily("eeg_model", "The models that answer.", labels=("model",))
        for model, version in self._versions.items():
            info.add_metric((model,), {"version": version})
        yield info
        yield GaugeMetricFamily("eeg_http_connections", "Connections open.", self.connections)
        yield GaugeMetricFamily(
            "eeg_http_requests_in_flight", "Requests being answered.", self.in_flight
        )
        yield CounterMetricFamily(
            "eeg_rows_scored", "Rows labelled, by one model or all.", self.rows_scored
        )
        yield CounterMetricFamily(
            "eeg_rows_judged", "Rows compared with those of the training.", self.rows_judged
        )
        yield CounterMetricFamily(
            "eeg_rows_unfamiliar", "Those that are unlike any of them.", self.rows_unfamiliar
        )

    def _requests(self) -> Iterator[str]:
        by_route: defaultdict[str, _Series] = defaultdict(_Series)
        yield from _head(
            "eeg_http_requests_total", "counter", "Answers by route template, method and status."
        )
        for (route, method, status), series in self._series.items():
            labels = f'method="{method}",route="{route}",status="{status}"'
            yield f"eeg_http_requests_total{{{labels}}} {sum(series.buckets):.1f}"
            merged = by_route[route]
            merged.seconds += series.seconds
            merged.buckets = list(map(add, merged.buckets, series.buckets))
        name = "eeg_http_request_duration_seconds"
        yield from _head(name, "histogram", "Time from a request's head to the end of its answer.")
        for route, series in by_route.items():
            cumulative = list(accumulate(series.buckets))
            for bound, count in zip(_BOUNDS, cumulative, strict=True):
                yield f'{name}_bucket{{le="{bound}",route="{route}"}} {count:.1f}'
            yield f'{name}_count{{route="{route}"}} {cumulative[-1]:.1f}'
            yield f'{name}_sum{{route="{route}"}} {series.seconds}'

    def _predictions(self) -> Iterator[str]:
        yield from _head(
            "eeg_predictions_total", "counter", f"Rows by the {self._noun} a model gave them."
        )
        counts = chain.from_iterable(self.predictions)
        for labelled, count in zip(self._predicted, counts, strict=True):
            yield f"{labelled} {count:.1f}"


def _head(name: str, kind: str, described: str) -> Iterator[str]:
    yield f"# HELP {name} {described}"
    yield f"# TYPE {name} {kind}"


def _escaped(text: str) -> str:
    return text.replace("\\", r"\\").replace("\n", r"\n").replace('"', r"\"")
