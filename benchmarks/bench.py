"""Context of one benchmark: its folder, a broker, options, and where its figures go.

Everything a benchmark starts ends with it, and its folder `.btc/bench/…` is removed.
"""

import shutil
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from app.broker.broker import Broker
from app.service import ports
from benchmarks.figures import Figure
from benchmarks.processes import end

ROOT = Path(__file__).parent.parent
HOME = ROOT / ".btc" / "bench"
BROKER_TIME = {"log.message.timestamp.type": "LogAppendTime"}  # a message's time is when the broker appended it


class SkippedError(RuntimeError):
    """A benchmark that cannot be measured here; the message says why."""


@dataclass
class Bench:
    """One run of one benchmark."""

    name: str
    quick: bool
    say: Callable[[str], None]
    folder: Path
    figures: list[Figure] = field(default_factory=list)

    def amount(self, full: float, quick: float) -> float:
        """Return the amount this run takes: `full`, or `quick` with --quick."""
        return quick if self.quick else full

    def record(self, what: str, value: float, unit: str, *, target: float | None = None,
               bound: Literal["most", "least"] = "most", baseline: str = "") -> None:  # fmt: skip
        """Record a figure and print it."""
        figure = Figure(benchmark=self.name, what=what, value=value, unit=unit, target=target, bound=bound,
                        baseline=baseline, quick=self.quick)  # fmt: skip
        self.figures.append(figure)
        verdict = {True: ", met", False: ", SHORT", None: ""}[figure.met]
        target_text = f" (target {figure.target_text}{verdict})" if figure.target_text else ""
        self.say(f"{what}: {value:,.3g} {unit}{target_text}")

    @contextmanager
    def kafka(self, **properties: str) -> Iterator[str]:
        """Run an embedded Kafka for this benchmark and give its address; messages carry the broker's time."""
        properties = {**BROKER_TIME, **properties}
        with Broker(self.folder / "kafka", ports.free_port(), say=self.say, properties=properties) as broker:
            yield broker.bootstrap


@contextmanager
def bench(name: str, *, quick: bool, say: Callable[[str], None]) -> Iterator[Bench]:
    """Give a benchmark its folder, and remove it afterwards."""
    folder = HOME / name
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    try:
        yield Bench(name, quick, say, folder)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def running(command: list[str], log: Path, **options: Any) -> Iterator[subprocess.Popen[bytes]]:
    """Run a process while the body runs; its output goes to a file."""
    with log.open("ab") as output:
        process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=output, stderr=output, **options)
    try:
        yield process
    finally:
        end(process)
