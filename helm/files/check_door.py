"""Check one door: `python check_door.py URL…`; each must answer 200 within a minute. What leaves: 0, or 1 and why."""

import sys
import time
import urllib.error
import urllib.request

PATIENCE_S = 60.0


def answer(url: str) -> str:
    """Return why a door does not answer as it must, or ""."""
    try:
        with urllib.request.urlopen(url, timeout=5) as response:  # noqa: S310 – the chart writes the addresses
            return "" if response.status == 200 else f"status {response.status}"
    except urllib.error.HTTPError as error:
        return f"status {error.code}"
    except OSError as error:
        return str(error)


def check(url: str, deadline: float) -> str:
    """Ask until the door answers or time is up."""
    while (reason := answer(url)) and time.monotonic() < deadline:
        time.sleep(1)
    return reason


deadline = time.monotonic() + PATIENCE_S
failed = 0
for door in sys.argv[1:]:
    trouble = check(door, deadline)
    print(f"{door}: {trouble or 'ok'}", flush=True)
    failed += bool(trouble)
sys.exit(1 if failed else 0)
