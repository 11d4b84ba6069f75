"""The Kafka UI in a real browser, on the embedded Kafka."""

import asyncio
import json
import time
from concurrent.futures import ThreadPoolExecutor

import psutil
import pytest
from aiokafka import AIOKafkaConsumer, TopicPartition
from playwright.sync_api import Browser, Page

from app.kafka import clients, topics
from app.service import ports
from app.settings import Settings
from tests.browser.conftest import Start


async def fill(settings: Settings) -> None:
    """Write 120 messages and let a group commit behind them."""
    await topics.ensure(settings)
    sender = clients.producer(settings)
    await sender.start()
    for number in range(120):
        await sender.send_and_wait("btc.ticks", json.dumps({"second": number}).encode(), key=b"1", partition=1)
    await sender.send_and_wait("btc.dead", b"<script>document.title = 'owned'</script>", partition=0)
    await sender.stop()
    reader = AIOKafkaConsumer(bootstrap_servers=settings.bootstrap, group_id="lagging", enable_auto_commit=False)
    await reader.start()
    reader.assign([TopicPartition("btc.ticks", 1)])
    await reader.commit({TopicPartition("btc.ticks", 1): 100})
    await reader.stop()


@pytest.fixture(scope="module")
def ui(start: Start, kafka: str) -> tuple[str, int]:
    """Return address and pid of a Kafka UI on a broker with some messages."""
    with ThreadPoolExecutor() as pool:  # Playwright's loop runs in this thread
        pool.submit(asyncio.run, fill(Settings(kafka_url=kafka))).result()
    port = ports.free_port()
    environment = {"BTC_KAFKA_URL": kafka, "BTC_KAFKA_UI_PORT": str(port), "BTC_SOURCE": "synthetic-7"}
    pid = start("-m", "app.cli", "kafka-ui", port=port, environment=environment)
    return f"http://127.0.0.1:{port}/", pid


def test_topics_messages_and_lag_are_shown(page: Page, ui: tuple[str, int]) -> None:
    """From the topics to a message and back to a group that is twenty messages behind."""
    page.goto(ui[0])
    assert "120" in page.locator("tr", has_text="btc.ticks").inner_text()
    assert "20" in page.locator("tr", has_text="lagging").inner_text()
    page.get_by_role("link", name="btc.ticks").click()
    page.get_by_role("link", name="1: 120").click()
    assert '{"second": 119}' in page.locator("tbody tr").first.inner_text()
    page.get_by_role("link", name="older messages").click()
    assert '{"second": 69}' in page.locator("tbody tr").first.inner_text()
    page.get_by_role("link", name="1/69").click()
    assert '"second": 69' in page.locator("pre").inner_text()


def test_a_hostile_payload_stays_text(page: Page, ui: tuple[str, int]) -> None:
    """A script in a message is shown, not run."""
    page.goto(ui[0] + "topics/btc.dead")
    page.wait_for_timeout(300)
    assert "document.title" in page.locator("tbody").inner_text()
    assert "owned" not in page.title()


def test_the_overview_renews_itself(page: Page, ui: tuple[str, int]) -> None:
    """Heartbeats of the UI itself make btc.status grow on the open page."""
    page.goto(ui[0])
    row = page.locator("tr", has_text="btc.status")
    before = row.inner_text()
    page.wait_for_function(
        "was => [...document.querySelectorAll('tr')].find(r => r.innerText.includes('btc.status')).innerText !== was",
        arg=before, timeout=15_000,
    )  # fmt: skip


def test_it_fits_a_phone(browser: Browser, ui: tuple[str, int]) -> None:
    """No page scrolls sideways at 390 pixels."""
    context = browser.new_context(viewport={"width": 390, "height": 844})
    page = context.new_page()
    for path in ("", "topics/btc.ticks", "topics/btc.ticks/1/3", "groups/lagging"):
        page.goto(ui[0] + path)
        assert page.evaluate("document.documentElement.scrollWidth") <= 390, path
    context.close()


def test_a_browser_that_goes_away_leaves_nothing_behind(browser: Browser, ui: tuple[str, int]) -> None:
    """No child process, no busy core after pages were cut off."""
    context = browser.new_context()
    for _ in range(5):
        context.new_page().goto(ui[0] + "topics/btc.ticks", wait_until="commit")
    context.close()
    time.sleep(1)
    process = psutil.Process(ui[1])
    assert process.children(recursive=True) == []
    assert process.cpu_percent(interval=2) < 25
