"""Signs of a fault in log and metrics."""

import json
from pathlib import Path

import psutil
import pytest

from benchmarks.chaos.signs import MetricSamples, counters, first_line_ms, tracebacks

EXPOSITION = """\
# TYPE btc_ticks_trades_total counter
btc_ticks_trades_total{symbol="A"} 300.0
# TYPE btc_ticks_reconnects_total counter
btc_ticks_reconnects_total{reason="silence"} 1.0
# TYPE btc_ticks_second gauge
btc_ticks_second{partition="0"} 5.0
# TYPE process_cpu_seconds counter
process_cpu_seconds_total 3.0
"""


def test_only_counters_that_rest_while_all_is_well_are_signs() -> None:
    """The flow of trades is none, nor a gauge or another library's counter."""
    assert counters(EXPOSITION) == {"btc_ticks_reconnects_total{'reason': 'silence'}": 1.0}


def test_the_first_sign_is_the_first_rise_of_a_counter_that_rested() -> None:
    """One that rose before the fault proves nothing; a new series counts from 0."""
    samples = MetricSamples(1, psutil.Process())
    samples.samples = [
        (1000.0, {"rising": 1.0, "resting": 4.0}),
        (2000.0, {"rising": 2.0, "resting": 4.0}),
        (3000.0, {"rising": 3.0, "resting": 4.0}),
        (4000.0, {"rising": 4.0, "resting": 4.0, "new": 1.0}),
    ]
    assert samples.first_sign_ms(2500.0) == 4000.0
    assert samples.first_sign_ms(500.0) is None  # nothing is known from before it


def test_lines_of_the_log_are_dated(tmp_path: Path) -> None:
    """The first one after the fault's begin; a traceback is an error nobody expected."""
    log = tmp_path / "collector.log"
    stamps = ("1970-01-01T00:00:01.000Z", "1970-01-01T00:00:02.500Z")
    lines = [json.dumps({"@timestamp": stamp, "log.level": "info"}) for stamp in stamps]
    log.write_text("\n".join([*lines, "Traceback (most recent call last):"]) + "\n")
    assert first_line_ms(log, 1500.0) == pytest.approx(2500.0)
    assert first_line_ms(log, 2501.0) is None
    assert tracebacks(log) == ["Traceback (most recent call last):"]
