"""Metrics as text, by Prometheus' own library: its text format, or OpenMetrics for who asks.

What formats them is loaded when somebody asks first. It runs apart from the event loop.
"""

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Final

from peeklock.management.metrics import COUNTER, Family, Samples

if TYPE_CHECKING:
    from prometheus_client import Metric

OPENMETRICS: Final = "application/openmetrics-text"


def write(
    families: Iterable[Family], found: dict[str, Samples], accept: str
) -> tuple[bytes, str]:
    """The text and its content type. Beside these families, the process' own as Prometheus
    calls them: memory, CPU, file descriptors. Reads a few files of /proc."""
    from prometheus_client import CollectorRegistry, ProcessCollector
    from prometheus_client import exposition as plain
    from prometheus_client.openmetrics import exposition as openmetrics

    registry = CollectorRegistry(auto_describe=False)
    registry.register(Found(lambda: written(families, found)))
    ProcessCollector(registry=registry)
    if OPENMETRICS in accept:
        text: bytes = openmetrics.generate_latest(registry)  # type: ignore[no-untyped-call]  # theirs
        return text, openmetrics.CONTENT_TYPE_LATEST
    return plain.generate_latest(registry), plain.CONTENT_TYPE_PLAIN_0_0_4


class Found:
    """What the library takes for a collector."""

    def __init__(self, collect: Callable[[], Iterable["Metric"]]) -> None:
        self.collect: Final = collect


def written(families: Iterable[Family], found: dict[str, Samples]) -> Iterable["Metric"]:
    from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily

    for family in families:
        samples = found.get(family.name, [])
        if not samples:
            continue
        kind = CounterMetricFamily if family.kind == COUNTER else GaugeMetricFamily
        metric = kind(family.name, family.about, labels=family.labels)
        for labels, value in samples:
            metric.add_metric(labels, value)
        yield metric
