"""Prometheus metrics of one runtime, in a registry of its own."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.exposition import CONTENT_TYPE_LATEST, generate_latest
from prometheus_client.registry import Collector

from app.engine.observe import BatchReport
from app.engine.types import EngineHealth, LaneState, ModelInfo

_LATENCY_BUCKETS = (0.002, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)


class Metrics:
    """What the service counts about itself; an :class:`app.engine.observe.EngineObserver`."""

    content_type = CONTENT_TYPE_LATEST

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self._requests = Counter(
            "tastespace_http_requests", "Requests served.", ("method", "route", "status"), registry=self.registry
        )
        self._latency = Histogram(
            "tastespace_http_request_seconds",
            "Time from request to end of response.",
            ("method", "route"),
            buckets=_LATENCY_BUCKETS,
            registry=self.registry,
        )
        self.in_flight = Gauge("tastespace_http_in_flight", "Requests being served.", registry=self.registry)
        self._stages = Histogram(
            "tastespace_search_stage_seconds",
            "Time a search spends by stage.",
            ("stage",),
            buckets=_LATENCY_BUCKETS,
            registry=self.registry,
        )
        self._items = Counter(
            "tastespace_ingested_items", "Items written by outcome.", ("kind", "outcome"), registry=self.registry
        )

        self._batches = Histogram(
            "tastespace_engine_batch_items",
            "Items in a batch of the model.",
            ("lane", "operation"),
            buckets=(1, 2, 4, 8, 16, 32, 64, 128),
            registry=self.registry,
        )
        self._batch_seconds = Histogram(
            "tastespace_engine_batch_seconds",
            "Time of a batch in the model.",
            ("lane", "operation"),
            buckets=_LATENCY_BUCKETS,
            registry=self.registry,
        )
        self._waits = Histogram(
            "tastespace_engine_wait_seconds",
            "Time an item waits for the model.",
            ("lane", "priority"),
            buckets=_LATENCY_BUCKETS,
            registry=self.registry,
        )
        self._refused = Counter(
            "tastespace_engine_refused_items", "Items refused by a full queue.", ("lane",), registry=self.registry
        )
        self._restarts = Counter(
            "tastespace_engine_restarts", "Workers loaded anew after they died.", ("lane",), registry=self.registry
        )

    def batch_finished(self, report: BatchReport) -> None:
        self._batches.labels(report.lane, report.operation.value).observe(report.items)
        self._batch_seconds.labels(report.lane, report.operation.value).observe(report.run_s)
        for seconds in report.waits_s:
            self._waits.labels(report.lane, report.priority.name.lower()).observe(seconds)

    def submission_refused(self, lane: str, items: int) -> None:
        self._refused.labels(lane).inc(items)

    def worker_restarted(self, lane: str) -> None:
        self._restarts.labels(lane).inc()

    def observe_request(self, method: str, route: str, status: int, seconds: float) -> None:
        known = method if method in ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS") else "other"
        self._requests.labels(known, route, str(status)).inc()
        self._latency.labels(known, route).observe(seconds)

    def observe_stage(self, stage: str, seconds: float) -> None:
        self._stages.labels(stage).observe(seconds)

    def count_item(self, kind: str, outcome: str) -> None:
        self._items.labels(kind, outcome).inc()

    def watch(
        self,
        health: Callable[[], EngineHealth],
        sizes: Callable[[], dict[str, dict[str, int]]],
        models: Callable[[], Mapping[str, ModelInfo | None]],
    ) -> None:
        """Report the engine's lanes, by name and kind how many items there are, and by what they do the models that
        are loaded, as all that is when scraped."""
        self.registry.register(_StateCollector(health, sizes, models))

    def render(self) -> bytes:
        """The text exposition. Runs the collectors: call it off the event loop."""
        return generate_latest(self.registry)


class _StateCollector(Collector):
    def __init__(
        self,
        health: Callable[[], EngineHealth],
        sizes: Callable[[], dict[str, dict[str, int]]],
        models: Callable[[], Mapping[str, ModelInfo | None]],
    ) -> None:
        self._health, self._sizes, self._models = health, sizes, models

    def describe(self) -> list[Metric]:
        return []

    def collect(self) -> Iterator[Metric]:
        up = GaugeMetricFamily("tastespace_engine_lane_ready", "1 while the lane is ready.", labels=("lane", "device"))
        queued = GaugeMetricFamily("tastespace_engine_queued_items", "Items waiting for the model.", labels=("lane",))
        running = GaugeMetricFamily("tastespace_engine_running_items", "Items in the model now.", labels=("lane",))
        done = CounterMetricFamily("tastespace_engine_items", "Items finished.", labels=("lane", "outcome"))
        for lane in self._health().lanes:
            up.add_metric([lane.lane, lane.device], float(lane.state is LaneState.READY))
            queued.add_metric([lane.lane], lane.queued_items)
            running.add_metric([lane.lane], lane.running_items)
            done.add_metric([lane.lane, "completed"], lane.completed_items)
            done.add_metric([lane.lane, "failed"], lane.failed_items)
        yield from (up, queued, running, done)
        names = ("model", "name", "fingerprint")
        loaded = GaugeMetricFamily("tastespace_model_info", "1 for each model that is loaded.", labels=names)
        for model, info in self._models().items():
            if info is not None:
                loaded.add_metric([model, info.name, info.fingerprint], 1)
        yield loaded
        for name, by_kind in self._sizes().items():
            gauge = GaugeMetricFamily(f"tastespace_{name}", f"Items in the {name.split('_')[0]}.", labels=("kind",))
            for kind, number in by_kind.items():
                gauge.add_metric([kind], number)
            yield gauge
