"""Quix Streams: a one-second tumbling window per symbol, one message per tick. Prints its rate and waits."""

import json
import sys
import time
from typing import Any

from quixstreams import Application  # type: ignore[import-not-found]
from quixstreams.dataframe.windows import Sum  # type: ignore[import-not-found]

kafka, topic, count, folder = sys.argv[1], sys.argv[2], int(sys.argv[3]), sys.argv[4]
app = Application(
    broker_address=kafka, consumer_group="peer-quix", auto_offset_reset="earliest", state_dir=folder, loglevel="ERROR",
)  # fmt: skip
ticks = app.topic(
    f"{topic}.ticks", value_deserializer="json", key_deserializer="str",
    timestamp_extractor=lambda value, headers, timestamp, kind: value["time_ms"],
)  # fmt: skip
at_s: list[float] = []  # of every tick


def count_tick(_tick: dict[str, Any]) -> None:
    """Count a tick, and print the rate after the last."""
    at_s.append(time.perf_counter())
    if len(at_s) == count:
        print(json.dumps({"ticks_per_s": count / (at_s[-1] - at_s[0])}), flush=True)


volumes = app.dataframe(ticks).update(count_tick).tumbling_window(duration_ms=1000).agg(volume=Sum("quantity")).final()

if __name__ == "__main__":
    app.run()
