"""What a process logs, in both formats."""

import json
import subprocess
import sys

import pytest

PROGRAM = """
import logging, sys
from app import logs
from app.settings import Settings
settings = Settings(log_format=sys.argv[1])
logs.set_up(settings, "worker")
logging.getLogger("aiokafka").error("Unable connect to %s", "kafka:9092")
logging.getLogger("aiokafka").error("Heartbeat failed")
logs.report_end(settings, "worker", "no progress for 31 s")
"""


def logged(log_format: str) -> list[str]:
    """Return the lines of a process that logs in this format and ends."""
    done = subprocess.run([sys.executable, "-c", PROGRAM, log_format], capture_output=True, text=True, check=True)
    assert done.stdout == ""
    return done.stderr.splitlines()


def test_the_reason_of_an_end_is_one_plain_line_on_a_console() -> None:
    """And aiokafka's line about each failed connection is left out: the wait for Kafka is logged once a minute."""
    assert logged("console") == ["Heartbeat failed", "btc worker: no progress for 31 s"]


@pytest.mark.parametrize("at", [0, 1])
def test_in_ecs_format_the_same_lines_are_json(at: int) -> None:
    """A log collector parses every line."""
    lines = [json.loads(line) for line in logged("ecs")]
    assert lines[at]["message"] == ["Heartbeat failed", "btc worker: no progress for 31 s"][at]
    assert len(lines) == 2
