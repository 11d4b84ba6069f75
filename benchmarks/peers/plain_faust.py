"""Plain Faust: one message per tick, one RocksDB table update each, as its tutorial does. Prints its rate and waits."""

import json
import sys
import time
from typing import Any

import faust

kafka, topic, count, folder = sys.argv[1], sys.argv[2], int(sys.argv[3]), sys.argv[4]
app = faust.App(
    "peer-faust", broker=f"kafka://{kafka}", store="rocksdb://?driver=rocksdict", datadir=folder,
    topic_partitions=8, consumer_auto_offset_reset="earliest", web_enabled=False,
)  # fmt: skip
ticks = app.topic(f"{topic}.ticks", key_type=bytes, value_serializer="json", key_serializer="raw")
volumes = app.Table("volumes", default=float, partitions=8)


@app.agent(ticks)  # type: ignore[untyped-decorator]
async def sum_up(stream: Any) -> None:
    """Keep one running volume per symbol."""
    seen, began = 0, 0.0
    async for tick in stream:
        began = began or time.perf_counter()
        volumes[tick["symbol"]] += tick["quantity"]
        seen += 1
        if seen == count:
            print(json.dumps({"ticks_per_s": count / (time.perf_counter() - began)}), flush=True)


if __name__ == "__main__":
    sys.argv = [sys.argv[0], "worker", "-l", "warn", "--without-web"]
    app.main()
