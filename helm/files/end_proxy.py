"""Run a command, then end the mesh's proxy: `python end_proxy.py URL COMMAND…`; the exit code is the command's.

A proxy that is an ordinary container outlives the command, and the hook would run until its deadline and fail. One that
is a native sidecar ends by itself; then the request does no harm.
"""

import signal
import subprocess
import sys
import urllib.request


def end_proxy(url: str) -> str:
    """Ask the proxy to end; return why it did not answer, or ""."""
    try:
        with urllib.request.urlopen(url, data=b"", timeout=5):  # noqa: S310 – the chart writes the address
            return ""
    except OSError as error:  # also a refused request: urllib's errors are OSErrors
        return str(error)


def run(command: list[str]) -> int:
    """Run a command and return its exit code; SIGTERM, which the kubelet sends to the pod's first process, ends it."""
    process, is_ended = None, False

    def end(*_: object) -> None:
        nonlocal is_ended
        is_ended = True
        if process:
            process.terminate()

    signal.signal(signal.SIGTERM, end)
    process = subprocess.Popen(command)  # noqa: S603 – the chart writes the command
    if is_ended:  # between the two lines above
        process.terminate()
    code = process.wait()
    return code if code >= 0 else 128 - code


url, *command = sys.argv[1:]
code = run(command)
if reason := end_proxy(url):
    print(f"the mesh's proxy was not ended: {url}: {reason}", file=sys.stderr, flush=True)
sys.exit(code)
