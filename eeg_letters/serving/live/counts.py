"""Metrics of streams."""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter
from collections.abc import Iterator
from itertools import accumulate

from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
)
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector
from websockets.frames import CloseCode

from eeg_letters.serving.telemetry.metrics import BUCKETS

# What a client ends a stream with that had no trouble.
_CLIENTS_CODES = frozenset(
    (CloseCode.NORMAL_CLOSURE, CloseCode.GOING_AWAY, CloseCode.NO_STATUS_RCVD)
)
_OTHER = "other"
# Of a stream that ended without a close frame, or with one without a code.
_LOST = CloseCode.ABNORMAL_CLOSURE
_CODES = frozenset(int(code) for code in CloseCode)


class StreamCounts(Collector):
    """Counts what streams do.

    Attributes
    ----------
    open : int
        Streams that are open.
    rows_answered, rows_refused : int
        Rows by whether they could be answered.
    """

    def __init__(self) -> None:
        self.open = 0
        self.rows_answered = 0
        self.rows_refused = 0
        # Known from the start, so that a rate over the first is not missing.
        self._closed = Counter(dict.fromkeys([*map(str, sorted(_CODES)), _OTHER], 0))
        self._buckets = [0] * (len(BUCKETS) + 1)
        self._seconds = 0.0

    def closed(self, code: int, by_client: bool) -> None:
        """Count a stream that ended, with the code of whoever ended it first."""
        # A client's other codes are of its own trouble, and would be taken for this service's.
        known = _CLIENTS_CODES if by_client else _CODES
        self._closed[str(code) if code in known else _OTHER] += 1

    def observe(self, seconds: float) -> None:
        """Count how long a row took from its arrival to its answer."""
        self._buckets[bisect_left(BUCKETS, seconds)] += 1
        self._seconds += seconds

    def collect(self) -> Iterator[Metric]:
        """Make the metrics; called by the registry."""
        yield GaugeMetricFamily("eeg_streams", "Streams that are open.", self.open)
        rows = CounterMetricFamily(
            "eeg_stream_rows", "Rows of streams, by what became of them.", labels=("outcome",)
        )
        rows.add_metric(("answered",), self.rows_answered)
        rows.add_metric(("refused",), self.rows_refused)
        yield rows
        closed = CounterMetricFamily(
            "eeg_streams_closed", "Streams that ended, by WebSocket close code.", labels=("code",)
        )
        for code, count in self._closed.items():
            closed.add_metric((code,), count)
        yield closed
        yield HistogramMetricFamily(
            "eeg_stream_row_duration_seconds",
            "Time from a row's arrival to its answer.",
            [
                *zip((*map(str, BUCKETS), "+Inf"), accumulate(self._buckets), strict=True),
            ],
            self._seconds,
        )
