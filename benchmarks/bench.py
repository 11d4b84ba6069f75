"""What every benchmark is given: a folder, a broker, options, a way to report.

Everything it starts ends with it, and its folder `.btc/bench/…` is removed.
"""

import shutil
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from app.broker.broker import Broker
from app.service import ports
from benchmarks.figures import Figure

ROOT = Path(__file__).parent.parent
HOME = ROOT / ".btc" / "bench"
APPENDED = {"log.message.timestamp.type": "LogAppendTime"}  # a message's time is when the broker had it


class SkippedError(RuntimeError):
    """A part that cannot be measured here; the message says why."""


@dataclass
class Bench:
    """One run of one benchmark."""

    name: str
    quick: bool
    say: Callable[[str], None]
    folder: Path
    figures: list[Figure] = field(default_factory=list)

    def of(self, full: float, quick: float) -> float:
        """Return how much of something this run takes."""
        return quick if self.quick else full

    def note(self, what: str, value: float, unit: str, *, target: float | None = None,
             bound: Literal["most", "least"] = "most", baseline: str = "") -> None:  # fmt: skip
        """Leave a figure and say it."""
        figure = Figure(benchmark=self.name, what=what, value=value, unit=unit, target=target, bound=bound,
                        baseline=baseline, quick=self.quick)  # fmt: skip
        self.figures.append(figure)
        verdict = {True: ", met", False: ", SHORT", None: ""}[figure.met]
        self.say(f"{what}: {value:,.3g} {unit}" + (f" (target {figure.aim}{verdict})" if figure.aim else ""))

    @contextmanager
    def kafka(self, **properties: str) -> Iterator[str]:
        """Give the address of an embedded Kafka of this benchmark's own, which stamps messages as they arrive."""
        with Broker(self.folder / "kafka", ports.free_port(), say=self.say, properties={**APPENDED, **properties}) as b:
            yield b.bootstrap


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


def end(process: "subprocess.Popen[bytes]") -> None:
    """End a process with SIGTERM, insist after 20 s."""
    process.terminate()
    try:
        process.wait(timeout=20)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def until(condition: Callable[[], Any], what: str, patience_s: float = 120.0, every_s: float = 0.1) -> Any:
    """Wait for something to be true and return it.

    Raises:
        SkippedError: it did not come.

    """
    deadline = time.monotonic() + patience_s
    while not (found := condition()):
        if time.monotonic() > deadline:
            raise SkippedError(f"waited {patience_s:g} s in vain for {what}")
        time.sleep(every_s)
    return found
