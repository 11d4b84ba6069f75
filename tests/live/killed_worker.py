"""A worker that kills itself with −9 at one point of its work: `python -m tests.live.killed_worker POINT BATCHES`.

It is the real worker; only the functions at which it dies are wrapped, and only here.
"""

import asyncio
import os
import signal
import sys
from collections.abc import Awaitable, Callable
from typing import Any

import agents.outcomes
import agents.predictions
import app.worker  # noqa: F401 – the wiring, as `faust -A app worker` imports it
from app.cli import main
from app.streaming import publisher

# point → the function to wrap, on which call of a batch it dies (from 1), and whether before or after that call
POINTS: dict[str, tuple[Any, str, int, str]] = {
    "before forecasts are sent": (publisher, "_send", 1, "before"),
    "forecasts are sent, not acknowledged": (publisher, "_send", 1, "sent"),
    "forecasts are acknowledged, the window is not stored": (publisher, "_send", 1, "after"),
    "the window is stored, not committed": (agents.predictions, "store", 1, "after"),
    "before outcomes are sent": (publisher, "_send", 2, "before"),
    "outcomes are sent, not acknowledged": (publisher, "_send", 2, "sent"),
    "outcomes are acknowledged, nothing is stored": (agents.outcomes, "store", 1, "before"),
    "pending forecasts are stored, scores are not": (agents.outcomes, "store", 2, "before"),
    "scores are stored, not committed": (agents.outcomes, "store", 2, "after"),
}


def die() -> None:
    """Kill this process as the kernel would."""
    os.kill(os.getpid(), signal.SIGKILL)


def plant(point: str, batches: int) -> None:
    """Let this process die at a point, in the batch after so many."""
    owner, name, wanted, when = POINTS[point]
    original: Callable[..., Awaitable[None]] = getattr(owner, name)
    calls = 0

    async def wrapped(*arguments: Any) -> None:
        nonlocal calls
        calls += _counts(name, wanted, arguments)
        dies = _counts(name, wanted, arguments) and calls > batches
        if dies and when == "before":
            die()
        if dies and when == "sent":
            sender, messages, partition = arguments
            for topic, value in messages:
                await sender.send(topic, value, key=b"%d" % partition, partition=partition)
            await asyncio.sleep(0.002)  # into the socket, or not: the broker may or may not have them
            die()
        await original(*arguments)
        if dies:
            die()

    setattr(owner, name, wrapped)


def _counts(name: str, wanted: int, arguments: tuple[Any, ...]) -> bool:
    """Return whether a call is the wanted one of its batch: forecasts or outcomes, pending forecasts or scores."""
    if name == "_send":
        return str(arguments[1][0][0]).endswith((".predictions", ".outcomes")[wanted - 1])
    table = str(arguments[0].name)
    return table in {"windows", ("pending", "scores")[wanted - 1]}


if __name__ == "__main__":
    plant(sys.argv[1], int(sys.argv[2]))
    sys.argv = ["btc", "worker"]
    main()
