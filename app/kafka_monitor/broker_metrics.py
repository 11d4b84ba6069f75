"""The metrics of one broker, set from what it says."""

from collections.abc import Callable, Collection, Mapping

from prometheus_client import Gauge

from app import metrics
from app.kafka_monitor.broker_view import BrokerView, Quorum

VIEW: dict[Gauge, Callable[[BrokerView], Collection[object]]] = {
    metrics.KAFKA_BROKERS: lambda view: view.brokers,
    metrics.KAFKA_LEADERS: lambda view: view.led,
    metrics.KAFKA_UNDER_REPLICATED: lambda view: view.under_replicated,
    metrics.KAFKA_BELOW_MIN_ISR: lambda view: view.below_min_isr,
    metrics.KAFKA_OUT_OF_SYNC: lambda view: view.out_of_sync,
    metrics.KAFKA_OFFLINE: lambda view: view.offline,
}  # fmt: skip


def show_view(broker: str, view: BrokerView | None, before: BrokerView | None) -> None:
    """Set the metrics of the partitions; without a view only that the broker does not answer is known."""
    metrics.KAFKA_BROKER_UP.labels(broker).set(view is not None)
    for gauge, found in VIEW.items():
        if view is None:
            gauge.remove(broker)
        else:
            gauge.labels(broker).set(len(found(view)))
    if view and before:
        for change, count in zip(("shrink", "expand"), view.isr_changes(before), strict=True):
            metrics.KAFKA_ISR_CHANGES.labels(broker, change).inc(count)


def show_quorum(broker: str, quorum: Quorum | None) -> None:
    """Set the metrics of the controllers."""
    metrics.KAFKA_CONTROLLER_KNOWN.labels(broker).set(quorum is not None and quorum.leader >= 0)
    if quorum:
        metrics.KAFKA_VOTERS_BEHIND.labels(broker).set(len(quorum.voters_behind))
    else:
        metrics.KAFKA_VOTERS_BEHIND.remove(broker)


def show_lag(lags: Mapping[tuple[str, str], int]) -> None:
    """Set the lag of each (group, topic); the others are another broker's by now."""
    metrics.KAFKA_GROUP_LAG.clear()
    for (group, topic), behind in lags.items():
        metrics.KAFKA_GROUP_LAG.labels(group, topic).set(behind)
