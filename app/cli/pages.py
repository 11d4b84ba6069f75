"""The HTTP pages of a running system: name, port and health path of each, and what they answer."""

import http.client
from typing import NamedTuple

from app.settings import Settings

TIMEOUT_S = 3.0


class HttpPage(NamedTuple):
    """One page: its name, the setting of its port, and the path that says whether its process is healthy."""

    name: str
    setting: str
    path: str

    @property
    def variable(self) -> str:
        """The environment variable of its port.

        >>> PAGES[0].variable
        'BTC_API_PORT'
        """
        return f"BTC_{self.setting.upper()}"

    def port(self, settings: Settings) -> int:
        """Return its port; 0: it is not served."""
        port: int = getattr(settings, self.setting)
        return port


PAGES = (
    HttpPage("API", "api_port", "/healthz"),
    HttpPage("dashboard", "dashboard_port", "/_stcore/health"),
    HttpPage("Kafka UI", "kafka_ui_port", "/healthz"),
    HttpPage("worker", "worker_port", "/healthz"),
    HttpPage("metrics", "metrics_port", "/healthz"),  # of the collector, the archive and the trainer
)


def unhealthy_reason(port: int, path: str) -> str:
    """Return why the page on a local port is not healthy, or "".

    Raises:
        ConnectionRefusedError: nothing listens on the port.

    """
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=TIMEOUT_S)
    try:
        connection.request("GET", path)
        answer = connection.getresponse()
        text = answer.read(200).decode(errors="replace")
        return "" if answer.status == http.client.OK else text or f"HTTP {answer.status}"
    except ConnectionRefusedError:
        raise
    except (OSError, http.client.HTTPException) as error:
        return str(error) or type(error).__name__
    finally:
        connection.close()


def health_reasons(settings: Settings) -> dict[str, str]:
    """Return why each page that listens on this machine is not healthy, "" where it is; other pages are left out."""
    found = {}
    for page in PAGES:
        if port := page.port(settings):
            try:
                found[page.name] = unhealthy_reason(port, page.path)
            except ConnectionRefusedError:
                continue
    return found
