"""`btc kafka-ui`: read-only pages of topics, messages and consumer lag.

The alternative, a terminal in the browser (kaskade under textual-serve), starts a process per page, which has outlived
its browser, shows no messages next to the topics, and could delete them.
"""

from app import logs
from app.kafka_ui.cluster import KafkaCluster
from app.kafka_ui.pages import site
from app.service import lifecycle, ports
from app.service.heartbeat import ProcessStatus
from app.settings import Settings

__all__ = ["run"]
CLOSING_S = 1


def run(settings: Settings) -> int:
    """Serve the pages until SIGTERM; return the exit code, 1 if the port is taken."""
    if reason := ports.taken_reason(settings.kafka_ui_port, "Kafka UI", "BTC_KAFKA_UI_PORT"):
        logs.set_up(settings, "kafka-ui")
        logs.report_end(settings, "kafka-ui", reason)
        return 1
    return lifecycle.run("kafka-ui", settings, _serve, needs_topics=False)


async def _serve(settings: Settings, process_status: ProcessStatus) -> None:
    from app.service.graceful_server import GracefulServer

    async with KafkaCluster(settings) as cluster:
        process_status.refresh = lambda: setattr(process_status, "progress", {"pages": float(cluster.requests)})
        server = GracefulServer(
            site(cluster, process_status.kafka_reason), closing_s=CLOSING_S, host=settings.host,
            port=settings.kafka_ui_port, log_config=None, lifespan="off",
        )  # fmt: skip
        await server.serve_until_cancelled()
