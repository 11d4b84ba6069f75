"""The report of an unattended run: counts, latencies, resources, and whether all is as it must be."""

from collections.abc import Iterable
from typing import Any

import numpy as np

from app.up.local_stack import LocalStack
from app.up.stream_client import StreamClient
from app.up.topic_statistics import TopicStatistics


def report(stack: LocalStack, found: TopicStatistics, client: StreamClient) -> dict[str, Any]:
    """Return the report of a run that has ended, as `--report` writes it."""
    children = stack.supervisor.children.values()
    result: dict[str, Any] = {
        "source": stack.settings.source,
        "speed": stack.settings.speed,
        "symbols": list(stack.settings.symbols),
        "seconds": found.seconds(),
        "latency_ms": {
            "features": spread_ms(found.features_ms),
            "prediction": spread_ms(found.prediction_ms),
            "websocket": spread_ms(client.latencies_ms),
        },
        "models": found.models,
        "restarts": {child.name: child.restarts for child in children},
        "recovery_s": stack.recovery_s,
        "errors": dict(found.errors),
        "resources": {
            child.name: {"rss_mb": round(child.rss_mb, 1), "cpu_s": round(child.cpu_before_s + child.cpu_s, 1)}
            for child in children
        },
        "flags": dict(client.flags),
        "wall_s": round(stack.elapsed_s, 1),
    }
    result["reasons"] = fault_reasons(result, killed=stack.options.kill[0] if stack.options.kill else "")
    result["ok"] = not result["reasons"]
    return result


def spread_ms(values: Iterable[float]) -> dict[str, float]:
    """Return p50, p99 and the count of latencies, milliseconds.

    >>> spread_ms([1.0, 2.0, 3.0])
    {'p50': 2.0, 'p99': 2.98, 'n': 3}
    """
    latencies = np.fromiter(values, float)
    if not latencies.size:
        return {"p50": 0.0, "p99": 0.0, "n": 0}
    p50, p99 = np.percentile(latencies, [50, 99])
    return {"p50": round(float(p50), 2), "p99": round(float(p99), 2), "n": int(latencies.size)}


def fault_reasons(result: dict[str, Any], killed: str = "") -> list[str]:
    """Return why a run was not as it must be, one line each; a process killed on purpose may restart once.

    >>> fault_reasons({"seconds": {"collected": 0}})
    ['nothing was collected']
    """
    seconds = result["seconds"]
    if not seconds["collected"]:
        return ["nothing was collected"]
    found = []
    if seconds["predicted"] != seconds["collected"]:
        found.append(f"{seconds['collected']} seconds collected, {seconds['predicted']} predicted")
    if seconds["lost"]:
        found.append(f"{seconds['lost']} seconds lost")
    if seconds["repeated"] and not killed:
        found.append(f"{seconds['repeated']} messages repeated")
    if seconds["settled_twice"]:
        found.append(f"{seconds['settled_twice']} forecasts settled twice")
    if result["errors"].get("dead_letters"):
        found.append(f"{result['errors']['dead_letters']} dead letters")
    if not any(model["kind"] == "tensorflow" for model in result["models"]):
        found.append("no TensorFlow model ran")
    found += [
        f"{name} restarted {count} times"
        for name, count in result["restarts"].items()
        if count > (1 if name == killed else 0)
    ]
    return found
