"""The pages of the Kafka UI, without a Kafka."""

import pytest
from aiokafka.errors import KafkaConnectionError
from starlette.testclient import TestClient

from app.kafka_ui.cluster import KafkaCluster, NotFoundError
from app.kafka_ui.overview import ConsumerGroup, Lag, Overview, Partition, Topic, TopicMessage
from app.kafka_ui.pages import site
from app.settings import Settings

TICKS = Topic("btc.ticks", [Partition(0, 10, 25), Partition(1, 0, 0)])
GROUP = ConsumerGroup(
    "btc-forecast", "Stable", ["worker-0"], [Lag("btc.ticks", 0, 20, 25), Lag("btc.ticks", 1, None, 7)]
)


class FakeCluster(KafkaCluster):
    """A cluster of one topic and one group, or one that fails."""

    def __init__(self, error: Exception | None = None) -> None:
        self.settings, self.requests, self.error = Settings(kafka_url="kafka:9092"), 0, error
        self.asked: list[tuple[int | None, int | None]] = []

    async def overview(self) -> Overview:
        """Return two partitions and a group."""
        if self.error:
            raise self.error
        return Overview(1, [TICKS], [GROUP])

    async def messages(self, name: str, partition: int | None = None, before: int | None = None) -> list[TopicMessage]:
        """Return one hostile message."""
        await self.topic(name)
        self.asked.append((partition, before))
        return [TopicMessage(0, 24, 1_700_000_000_000, "0", "<script>1</script>", 18)]

    async def message(self, name: str, partition: int, offset: int) -> TopicMessage:
        """Return none."""
        raise NotFoundError(f"{name}, partition {partition}: there is no message at offset {offset} (any more)")


def client(cluster: KafkaCluster) -> TestClient:
    """Return a client of a cluster's pages."""
    return TestClient(site(cluster))


def test_the_first_page_shows_topics_and_lag() -> None:
    """Fifteen messages are held, five are not yet read."""
    page = client(FakeCluster()).get("/")
    assert page.status_code == 200
    assert "btc.ticks" in page.text
    assert '<td class="n">15</td>' in page.text
    assert '<td class="n">5</td>' in page.text


def test_a_group_shows_its_lag_per_partition() -> None:
    """A partition without a commit has a dash, not a lag."""
    page = client(FakeCluster()).get("/groups/btc-forecast")
    assert "worker-0" in page.text
    assert "–" in page.text
    assert GROUP.behind == 5


def test_payloads_are_escaped_and_scripts_from_elsewhere_are_forbidden() -> None:
    """A message is text, whatever it says."""
    page = client(FakeCluster()).get("/topics/btc.ticks")
    assert "<script>1</script>" not in page.text
    assert "default-src 'none'" in page.headers["content-security-policy"]


@pytest.mark.parametrize(
    ("query", "asked"),
    [("", (None, None)), ("?partition=1&before=9", (1, 9)), ("?partition=x&before=9", (None, None)),
     ("?before=9", (None, None)), ("?partition=" + "9" * 30, (None, None))],
)  # fmt: skip
def test_paging_is_read_from_the_address(query: str, asked: tuple[int | None, int | None]) -> None:
    """Nonsense in the address is the first page."""
    cluster = FakeCluster()
    assert client(cluster).get("/topics/btc.ticks" + query).status_code == 200
    assert cluster.asked == [asked]


@pytest.mark.parametrize("path", ["/topics/nope", "/groups/nope", "/topics/btc.ticks/0/999"])
def test_what_does_not_exist_is_404_in_one_line(path: str) -> None:
    """The page names what is missing."""
    page = client(FakeCluster()).get(path)
    assert page.status_code == 404
    assert "<h2>" in page.text


@pytest.mark.parametrize("error", [KafkaConnectionError("refused"), TimeoutError(), OSError("no route")])
def test_a_kafka_that_does_not_answer_is_503_in_one_line(error: Exception) -> None:
    """No stack trace, but where and why."""
    page = client(FakeCluster(error)).get("/")
    assert page.status_code == 503
    assert "Kafka at kafka:9092 does not answer" in page.text


def test_nothing_comes_from_another_host() -> None:
    """No font, style or script of a CDN."""
    assert "http" not in client(FakeCluster()).get("/").text.replace("http-equiv", "")


def test_liveness_does_not_ask_kafka() -> None:
    """A broker that is down does not restart the UI."""
    assert client(FakeCluster(TimeoutError())).get("/healthz").text == "ok"


def test_without_kafka_the_ui_is_alive_and_not_ready() -> None:
    """The pages would show one sentence; another replica may reach Kafka."""
    ui = TestClient(site(FakeCluster(), lambda: "Kafka at kafka:9092 cannot be used"))
    assert ui.get("/healthz").status_code == 200
    assert (ui.get("/readyz").status_code, ui.get("/readyz").text) == (503, "Kafka at kafka:9092 cannot be used")
    assert client(FakeCluster()).get("/readyz").status_code == 200


async def test_the_ui_serves_before_kafka_answers_and_says_so() -> None:
    """It connects in the background: a page names the missing connection."""
    async with KafkaCluster(Settings(kafka_url="127.0.0.1:9")) as cluster:
        with pytest.raises(KafkaConnectionError, match="no connection yet"):
            await cluster._describe()
