"""`btc kafka-ui`: look into Kafka. What enters: settings; what leaves: pages of topics, messages and consumer lag.

Our own pages in this one process, read-only: a terminal in the browser (kaskade under textual-serve) starts a process
per page, which has outlived its browser, shows no messages beside the topics, and could delete them.
"""

import sys

from app.kafka_ui.cluster import KafkaCluster
from app.kafka_ui.pages import site
from app.service import lifecycle, ports
from app.service.heartbeat import ProcessStatus
from app.settings import Settings

__all__ = ["run"]
CLOSING_S = 1


def run(settings: Settings) -> int:
    """Serve the pages until SIGTERM; return the exit code, 1 if the port is taken."""
    port = settings.kafka_ui_port
    if port and not ports.is_free(port):
        holder = ports.holder(port) or "a process of another user"
        print(f"btc kafka-ui: port {port} is taken by {holder}: end it, or set BTC_KAFKA_UI_PORT", file=sys.stderr)
        return 1
    return lifecycle.run("kafka-ui", settings, _serve)


async def _serve(settings: Settings, process_status: ProcessStatus) -> None:
    from app.service.graceful_server import GracefulServer

    async with KafkaCluster(settings) as cluster:
        process_status.refresh = lambda: setattr(process_status, "progress", {"pages": float(cluster.questions)})
        door = GracefulServer(
            site(cluster), closing_s=CLOSING_S, host=settings.host, port=settings.kafka_ui_port, log_config=None,
            lifespan="off",
        )  # fmt: skip
        await door.serve_until_cancelled()
