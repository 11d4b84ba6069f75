"""A real browser (Debian's chromium under Playwright), processes to look at, and an embedded Kafka."""

import contextlib
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, sync_playwright

from app.broker.broker import Broker, BrokerError
from app.broker.jars import class_path
from app.service import ports

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
CHROMIUM = Path("/usr/bin/chromium")
FLAGS = ("--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
         "--disable-component-update", "--disable-sync")  # fmt: skip
Start = Callable[..., int]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark every test of this folder as `browser`."""
    for item in items:
        if HERE in item.path.parents:
            item.add_marker(pytest.mark.browser)


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """Return a browser, or skip where there is none; ended with the module, for Playwright keeps a loop running."""
    if not CHROMIUM.exists():
        pytest.skip(f"no chromium at {CHROMIUM}: apt-get install chromium")
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=CHROMIUM, args=list(FLAGS))
        yield chromium
        chromium.close()


@pytest.fixture
def page(browser: Browser) -> Iterator[Page]:
    """Return a fresh page of a desktop's size."""
    context = browser.new_context(viewport={"width": 1440, "height": 900})
    yield context.new_page()
    context.close()


@pytest.fixture(scope="module")
def start(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Start]:
    """Return a function that starts a Python process, waits for its port, and ends it after the module's tests."""
    with contextlib.ExitStack() as stack:

        def begin(*arguments: str, port: int, environment: dict[str, str] | None = None) -> int:
            log = (tmp_path_factory.mktemp("log") / "out.txt").open("w+", encoding="utf-8")
            stack.callback(log.close)
            own = {"PYTHONPATH": str(ROOT), "PATH": "/usr/bin:/bin", **(environment or {})}
            process = subprocess.Popen([sys.executable, *arguments], cwd=ROOT, env=own, stdout=log, stderr=log)
            stack.callback(_end, process)
            _wait(port, process, Path(log.name))
            return process.pid

        yield begin


def _wait(port: int, process: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline and process.poll() is None:
        with contextlib.suppress(OSError, urllib.error.URLError):
            urllib.request.urlopen(f"http://127.0.0.1:{port}/", timeout=2).close()
            return
        time.sleep(0.2)
    pytest.fail(f"nothing answers on port {port}: {log.read_text()[-2000:]}")


def _end(process: subprocess.Popen[bytes]) -> None:
    process.terminate()
    try:
        process.wait(10)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


@pytest.fixture(scope="module")
def kafka(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Return the address of an embedded Kafka, as 127.0.0.1:port, or skip where its jars cannot be had."""
    try:
        class_path(print)
    except BrokerError as error:
        pytest.skip(str(error))
    with Broker(tmp_path_factory.mktemp("kafka"), ports.free_port(), say=print) as running:
        yield running.bootstrap
