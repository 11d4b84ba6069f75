"""The dashboard in a real browser: every second, without flicker, down to a phone, and without the internet."""

import signal
import time

import psutil
import pytest
from playwright.sync_api import Browser, Page

from app.service import ports
from tests.browser.conftest import Start

PAGES = ("", "accuracy", "feed", "models", "system")
SIZES = {"desktop": (1440, 900), "phone": (390, 844)}
WATCH = """() => {
  window.nodes = [...document.querySelectorAll('.b-chart, .js-plotly-plot, .main-svg')];
  window.torn = 0; window.heights = new Set(); window.blank = 0;
  new MutationObserver(all => all.forEach(m => m.removedNodes.forEach(n => {
    if (n.matches?.('.stElementContainer, .b-chart, .js-plotly-plot') || n.querySelector?.('.js-plotly-plot')) torn++;
  }))).observe(document.body, {subtree: true, childList: true});
  const look = () => {
    heights.add(document.querySelector('.stMain').scrollHeight);
    blank += document.querySelectorAll('.scatterlayer .trace').length === 0;
    requestAnimationFrame(look);
  };
  look();
}"""
FOUND = """() => ({same: nodes.length > 0 && nodes.every(n => n.isConnected), torn, blank, heights: [...heights],
  faded: [...document.querySelectorAll('[data-stale=true]')].filter(n => getComputedStyle(n).opacity < 1).length})"""


@pytest.fixture(scope="module")
def dashboard(start: Start) -> tuple[str, int]:
    """Return address and pid of a dashboard on a board that moves on every second."""
    port = ports.free_port()
    pid = start("tests/dashboard/feed.py", "--port", str(port), "--symbols", "3", port=port)
    return f"http://127.0.0.1:{port}/", pid


def opened(page: Page, url: str) -> Page:
    """Open a page and wait until it has drawn."""
    page.goto(url)
    page.wait_for_selector(".b-line", timeout=30_000)
    return page


def clock(page: Page) -> str:
    """Return the time of the newest second shown."""
    return page.locator(".b-pill", has_text="UTC").first.inner_text()


def test_the_live_page_renews_itself_without_flicker(page: Page, dashboard: tuple[str, int]) -> None:
    """For six seconds time goes on while chart nodes stay, no element fades, nothing jumps or is ever blank."""
    opened(page, dashboard[0]).wait_for_selector(".scatterlayer .trace")
    page.wait_for_timeout(1500)
    before = clock(page)
    page.evaluate(WATCH)
    page.wait_for_timeout(6000)
    found = page.evaluate(FOUND)
    assert clock(page) != before
    assert found["same"]
    assert (found["torn"], found["blank"], found["faded"]) == (0, 0, 0)
    assert len(found["heights"]) == 1


def test_any_page_may_be_the_first_one_that_is_opened(page: Page, start: Start) -> None:
    """Until the script has run once, Streamlit takes a folder named `pages` beside it for the pages: blank ones."""
    port = ports.free_port()
    start("tests/dashboard/feed.py", "--port", str(port), "--symbols", "1", port=port)
    opened(page, f"http://127.0.0.1:{port}/feed")


def test_the_chart_is_that_of_the_newest_second(page: Page, dashboard: tuple[str, int]) -> None:
    """The mid line of the chart in the browser grows with time."""
    opened(page, dashboard[0]).wait_for_selector(".scatterlayer .trace")
    last = "document.querySelector('.js-plotly-plot')._fullData.find(t => t.name === 'mid').x.at(-1)"
    first = page.evaluate(last)
    page.wait_for_timeout(3000)
    assert page.evaluate(last) - first >= 2000


@pytest.mark.parametrize("size", SIZES)
def test_no_page_scrolls_sideways(browser: Browser, dashboard: tuple[str, int], size: str) -> None:
    """Every page fits its screen, a phone's too, and asks no other host for anything."""
    width, height = SIZES[size]
    context = browser.new_context(viewport={"width": width, "height": height}, color_scheme="dark")
    page, foreign = context.new_page(), []
    page.on("request", lambda request: foreign.append(request.url) if "127.0.0.1" not in request.url else None)
    for name in PAGES:
        opened(page, dashboard[0] + name)
        page.wait_for_timeout(1200)
        widest = page.evaluate(
            "Math.max(document.documentElement.scrollWidth, document.querySelector('.stMain').scrollWidth)"
        )
        assert widest <= width, name
    context.close()
    assert [url for url in foreign if not url.startswith(("data:", "blob:"))] == []


def test_a_symbol_can_be_chosen_and_stays_chosen(page: Page, dashboard: tuple[str, int]) -> None:
    """The choice stands in the URL and survives changes of page, at whatever moment of a refresh they come."""
    opened(page, dashboard[0])
    page.locator("[data-testid=stSelectbox] input").first.fill("ETH")
    page.keyboard.press("Enter")
    page.wait_for_selector(".b-line b:has-text('ETHUSDT')", timeout=30_000)
    for turn in range(4):
        page.wait_for_timeout(230 * turn)
        page.get_by_role("link", name="Feed").click()
        page.wait_for_selector("h3:has-text('ETHUSDT: trades and quotes')", timeout=30_000)
        page.get_by_role("link", name="Accuracy").click()
        page.wait_for_selector("h3:has-text('Scores of ETHUSDT')", timeout=30_000)
    assert "symbol=ETHUSDT" in page.url


def test_symbol_and_horizon_are_read_from_the_address(page: Page, dashboard: tuple[str, int]) -> None:
    """A link that somebody was sent opens what its sender saw; an unknown symbol opens the first."""
    opened(page, f"{dashboard[0]}accuracy?symbol=ETHUSDT&horizon=60+s")
    page.wait_for_selector("h3:has-text('Scores of ETHUSDT, 60 s ahead')", timeout=30_000)
    opened(page, f"{dashboard[0]}accuracy?symbol=NOSUCH")
    page.wait_for_selector("h3:has-text('Scores of BTCUSDT, 5 s ahead')", timeout=30_000)


def test_memory_stays_flat_and_a_refresh_is_cheap(page: Page, dashboard: tuple[str, int]) -> None:
    """Twenty refreshes cost less than a third of a core and no memory to speak of."""
    opened(page, dashboard[0])
    page.wait_for_timeout(3000)
    process = psutil.Process(dashboard[1])
    before, spent = process.memory_info().rss, sum(process.cpu_times()[:2])
    page.wait_for_timeout(20_000)
    assert process.memory_info().rss - before < 20e6
    assert (sum(process.cpu_times()[:2]) - spent) / 20 < 0.35


def test_an_empty_board_says_what_it_waits_for(page: Page, start: Start) -> None:
    """One friendly line, no stack trace."""
    port = ports.free_port()
    start("tests/dashboard/feed.py", "--port", str(port), "--seconds", "0", "--still", port=port)
    opened(page, f"http://127.0.0.1:{port}/")
    assert page.locator(".b-verdict").inner_text().startswith("Waiting")
    assert page.locator("[data-testid=stException]").count() == 0


def test_sigterm_ends_it_within_two_seconds_with_a_page_open(page: Page, start: Start) -> None:
    """An open browser does not hold the process."""
    port = ports.free_port()
    pid = start("tests/dashboard/feed.py", "--port", str(port), "--seconds", "60", port=port)
    opened(page, f"http://127.0.0.1:{port}/")
    process, sent_s = psutil.Process(pid), time.monotonic()
    process.send_signal(signal.SIGTERM)
    while process.status() != psutil.STATUS_ZOMBIE and time.monotonic() - sent_s < 5:
        time.sleep(0.02)
    assert time.monotonic() - sent_s < 2
