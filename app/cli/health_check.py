"""Is what of ours listens on this machine well? What enters: settings; what leaves: what each page says."""

import http.client

from app.settings import Settings

ASK_S = 3.0


def health_reasons(settings: Settings) -> dict[str, str]:
    """Return what each page of ours that listens on this machine says, "" when well; the others are left out."""
    doors = {
        "metrics": (settings.metrics_port, "/healthz"), "worker": (settings.worker_port, "/healthz"),
        "api": (settings.api_port, "/healthz"), "dashboard": (settings.dashboard_port, "/_stcore/health"),
        "kafka-ui": (settings.kafka_ui_port, "/healthz"),
    }  # fmt: skip
    found = {}
    for name, (port, path) in doors.items():
        door = http.client.HTTPConnection("127.0.0.1", port, timeout=ASK_S)
        try:
            door.request("GET", path)
            answer = door.getresponse()
            said = answer.read(200).decode(errors="replace")
            found[name] = "" if answer.status == 200 else said or str(answer.status)
        except ConnectionRefusedError:
            continue
        except OSError as error:
            found[name] = str(error) or type(error).__name__
        finally:
            door.close()
    return found
