"""Check that each URL answers 200 within a minute: `python check_url.py URL…`; exit code 0, or 1 with the reasons."""

import sys
import time
import urllib.error
import urllib.request

PATIENCE_S = 60.0


def failure_reason(url: str) -> str:
    """Return why a URL does not answer with 200, or ""."""
    try:
        with urllib.request.urlopen(url, timeout=5) as response:  # noqa: S310 – the chart writes the addresses
            return "" if response.status == 200 else f"status {response.status}"
    except urllib.error.HTTPError as error:
        return f"status {error.code}"
    except OSError as error:
        return str(error)


def check(url: str, deadline: float) -> str:
    """Request a URL until it answers or time is up; return the last reason of failure, or ""."""
    while (reason := failure_reason(url)) and time.monotonic() < deadline:
        time.sleep(1)
    return reason


deadline = time.monotonic() + PATIENCE_S
failed = 0
for url in sys.argv[1:]:
    reason = check(url, deadline)
    print(f"{url}: {reason or 'ok'}", flush=True)
    failed += bool(reason)
sys.exit(1 if failed else 0)
