"""The pages of the API: self-contained, guarded by a policy, revalidated."""

import math
import re

import httpx
import pytest

from app.api import create_app, examples
from app.board.topic_follower import Follower
from app.service.heartbeat import ProcessStatus
from app.settings import Settings


async def test_without_kafka_the_api_is_alive_and_not_ready() -> None:
    """Its board shows the past; another replica may still follow the topics."""
    settings = Settings()
    app = create_app(
        settings, examples.board(settings), ProcessStatus(kafka_reason=lambda: "Kafka cannot be used for 12 s")
    )
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://api") as client:
        ready = await client.get("/readyz")
        assert (ready.status_code, ready.json()["detail"]) == (503, "Kafka cannot be used for 12 s")
        assert (await client.get("/healthz")).status_code == 200


@pytest.mark.parametrize(
    ("kafka_answering_s", "silent_s", "status"), [(math.inf, 20.0, 200), (math.inf, 110.0, 503), (0.0, 3600.0, 200)]
)
async def test_the_api_is_stalled_when_its_board_reads_nothing_although_kafka_answers(
    monkeypatch: pytest.MonkeyPatch, kafka_answering_s: float, silent_s: float, status: int
) -> None:
    """Its own heartbeats are there to be read; without Kafka a restart would only empty the board."""
    settings, process_status = Settings(), ProcessStatus(kafka_answering_s=lambda: kafka_answering_s)
    app = create_app(settings, examples.board(settings), process_status)
    monkeypatch.setattr(Follower, "silent_s", silent_s)
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://api") as client:
        assert (await client.get("/healthz")).status_code == status


@pytest.mark.parametrize("page", ["/docs", "/"])
async def test_pages_load_nothing_from_elsewhere(client: httpx.AsyncClient, page: str) -> None:
    """Every script, style and picture comes from here."""
    html = (await client.get(page)).text
    parts = re.findall(r'(?:src|href)="([^"]+)"', html)
    assert parts
    for part in parts:
        assert not part.startswith(("http:", "https:", "//"))
        if not part.startswith("v1/"):
            assert (await client.get(f"/{part}")).status_code == 200


async def test_the_page_is_served_with_a_strict_policy_and_revalidated(client: httpx.AsyncClient) -> None:
    """No inline script, no foreign host; an unchanged page costs a 304."""
    page = await client.get("/")
    assert "default-src 'self'" in page.headers["content-security-policy"]
    again = await client.get("/", headers={"If-None-Match": page.headers["etag"]})
    assert again.status_code == 304
