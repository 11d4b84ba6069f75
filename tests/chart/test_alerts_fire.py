"""Every alert fires for its fault and for no other: the rendered rules under `promtool test rules`."""

import shutil
import subprocess
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.chart.test_observability import alerts, rules

NS = 'namespace="btc"'
LONG = 1400  # samples, one a minute: almost a day
HEALTHY = {
    f'btc_api_requests_total{{{NS}, route="/", status="200"}}': "0+6000x{n}",
    f'btc_api_requests_total{{{NS}, route="/", status="500"}}': "0x{n}",
    f'btc_api_latency_seconds_bucket{{{NS}, route="/", le="0.1"}}': "0+6000x{n}",
    f'btc_api_latency_seconds_count{{{NS}, route="/"}}': "0+6000x{n}",
    f"btc_board_second{{{NS}}}": "0+60x{n}",
    f'btc_ticks_second{{{NS}, partition="0"}}': "0+60x{n}",
    f'btc_ticks_batches_total{{{NS}, partition="0"}}': "0+60x{n}",
    f'btc_ticks_missing_total{{{NS}, symbol="BTCUSDT"}}': "0+1x{n}",
    f'btc_ticks_refilled_total{{{NS}, symbol="BTCUSDT"}}': "0+1x{n}",
    f'btc_ticks_reconnects_total{{{NS}, reason="age"}}': "0+0x{n}",
    f'btc_ticks_close_delay_seconds_bucket{{{NS}, le="0.5"}}': "0+60x{n}",
    f'btc_ticks_close_delay_seconds_bucket{{{NS}, le="5"}}': "0+60x{n}",
    f'btc_ticks_close_delay_seconds_bucket{{{NS}, le="+Inf"}}': "0+60x{n}",
    f'btc_stage_latency_seconds_bucket{{{NS}, stage="predictions", le="1"}}': "0+60x{n}",
    f'btc_stage_latency_seconds_bucket{{{NS}, stage="predictions", le="5"}}': "0+60x{n}",
    f'btc_stage_latency_seconds_bucket{{{NS}, stage="predictions", le="+Inf"}}': "0+60x{n}",
    f'btc_batches_total{{{NS}, stage="predictions"}}': "0+60x{n}",
    f"btc_fallback_total{{{NS}}}": "0+0x{n}",
    f'btc_model_running{{{NS}, model="m", kind="tensorflow", role="champion"}}': "1x{n}",
    f'btc_coverage{{{NS}, symbol="BTCUSDT", model="m", horizon_s="10"}}': "0.9x{n}",
    f'btc_coverage{{{NS}, symbol="BTCUSDT", model="challenger", horizon_s="10"}}': "0.5x{n}",  # not the champion's
    f'btc_model_refused_total{{{NS}, reason="damaged"}}': "0+0x{n}",
    f'btc_dead_letters_total{{{NS}, topic="ticks"}}': "0+0x{n}",
    f'btc_archive_errors_total{{{NS}, reason="disk"}}': "0+0x{n}",
    f'btc_errors_total{{{NS}, process="worker", kind="kafka"}}': "0+0x{n}",
    **{f'btc_kafka_broker_up{{{NS}, broker="b-{number}"}}': "1x{n}" for number in range(3)},
    f'btc_kafka_under_replicated_partitions{{{NS}, broker="b-0"}}': "0x{n}",
    f'btc_kafka_below_min_isr_partitions{{{NS}, broker="b-0"}}': "0x{n}",
    f'btc_kafka_offline_partitions{{{NS}, broker="b-0"}}': "0x{n}",
    f'btc_kafka_voters_behind{{{NS}, broker="b-0"}}': "0x{n}",
    f'btc_kafka_controller_known{{{NS}, broker="b-0"}}': "1x{n}",
    f'kubelet_volume_stats_available_bytes{{{NS}, persistentvolumeclaim="data-btc-kafka-0"}}': "80x{n}",
    f'kubelet_volume_stats_capacity_bytes{{{NS}, persistentvolumeclaim="data-btc-kafka-0"}}': "100x{n}",
}
BURNS = ("Fast1H", "Fast6H", "Slow1D", "Slow3D")


@dataclass(frozen=True)
class Fault:
    """A fault and the alerts that fire after `minutes`; a series is named by its metric and one of its labels."""

    name: str
    changes: dict[str, str]
    firing: set[str]
    minutes: int = 60
    gone: tuple[str, ...] = field(default=())

    def series(self) -> list[dict[str, str]]:
        """Return the healthy series with this fault's laid over."""
        found = {name: values for name, values in HEALTHY.items() if not name.startswith(self.gone or ("no such",))}
        for part, values in self.changes.items():
            metric, _, label = part.partition(" ")
            (name,) = [one for one in HEALTHY if one.startswith(metric + "{") and label in one]
            found[name] = values
        return [{"series": name, "values": text.format(n=self.minutes)} for name, text in sorted(found.items())]


def _burns(promise: str, worst: int) -> set[str]:
    return {f"Btc{promise}{speed}" for speed in BURNS[worst:]}


ERRORS, SLOW = 'btc_api_requests_total status="500"', "btc_api_latency_seconds_bucket"
FAULTS = (
    Fault("nothing is wrong", {}, set(), LONG),
    Fault("2 % of the answers fail", {ERRORS: "0+120x{n}"}, _burns("Availability", 0), 300),
    Fault("0.8 % fail", {ERRORS: "0+48x{n}"}, _burns("Availability", 1), 600),
    Fault("0.4 % fail", {ERRORS: "0+24x{n}"}, _burns("Availability", 2), 600),
    Fault("0.2 % fail", {ERRORS: "0+12x{n}"}, _burns("Availability", 3), 600),
    Fault("0.05 % fail: within the budget", {ERRORS: "0+3x{n}"}, set(), 600),
    Fault("a burst of failures is over", {ERRORS: "0+0x1000 0+600x5 3000x{n}"}, set(), LONG),
    Fault("a fifth of the answers takes over 100 ms", {SLOW: "0+4800x{n}"}, _burns("Latency", 0), 300),
    Fault("a hundredth and a half does", {SLOW: "0+5910x{n}"}, _burns("Latency", 3), 600),
    Fault("no API", {}, {"BtcApiDown"}, gone=("btc_api", "btc_board")),
    Fault("the board stands still", {"btc_board_second": "0+60x10 600x{n}"}, _burns("Freshness", 0) | {"BtcLag"}, 300),
    Fault("the worker is behind", {"btc_board_second": "0x0 0+60x{n}"}, _burns("Freshness", 0) | {"BtcLag"}, 300),
    Fault("a stage takes seconds", {'btc_stage_latency_seconds_bucket le="1"': "0+30x{n}"}, {"BtcStageSlow"}),
    Fault("dead letters", {"btc_dead_letters_total": "0x55 1+1x{n}"}, {"BtcDeadLetters"}),
    Fault("the collector is gone", {}, {"BtcFeedSilent"}, gone=("btc_ticks_second",)),
    Fault("the exchange is silent", {"btc_ticks_second": "0+60x50 3000x{n}"}, {"BtcFeedSilent"}, 55),
    Fault("trades stay missing", {"btc_ticks_refilled_total": "0+0x{n}"}, {"BtcFeedIncomplete"}),
    Fault("seconds are skipped", {"btc_ticks_batches_total": "0+58x{n}"}, {"BtcFeedSkipsSeconds"}),
    Fault("the connection breaks every minute", {"btc_ticks_reconnects_total": "0+1x{n}"}, {"BtcFeedReconnects"}),
    Fault("seconds close late", {'btc_ticks_close_delay_seconds_bucket le="0.5"': "0+30x{n}"}, {"BtcCloseLate"}),
    Fault("intervals are too narrow", {'btc_coverage model="m"': "0.7x{n}"}, {"BtcCoverage"}, 120),
    Fault("intervals are too wide", {'btc_coverage model="m"': "0.99x{n}"}, {"BtcCoverage"}, 120),
    Fault("naive serves", {"btc_fallback_total": "0+60x{n}"}, {"BtcFallback"}, 420),
    Fault("a release is refused", {"btc_model_refused_total": "0x30 1x{n}"}, {"BtcModelRefused"}),
    Fault("no forecasts", {"btc_batches_total": "0+60x30 1800x{n}"}, {"BtcForecastsStopped"}),
    Fault("no worker", {}, {"BtcForecastsStopped"}, gone=("btc_batches_total",)),
    Fault("one of three brokers was killed 5 minutes ago", {"btc_kafka_under_replicated_partitions": "0x30 9x{n}"},
          {"BtcKafkaUnderReplicated"}, 35, gone=('btc_kafka_broker_up{namespace="btc", broker="b-2"',)),
    Fault("a broker restarts", {"btc_kafka_under_replicated_partitions": "0x30 9x1 0x{n}", "btc_kafka_voters_behind":
          "0x30 1x2 0x{n}", 'btc_kafka_broker_up broker="b-2"': "1x30 0x1 1x{n}"}, set(), 32),
    Fault("a broker refuses clients", {'btc_kafka_broker_up broker="b-2"': "0x{n}"}, {"BtcKafkaBrokerRefuses"}),
    Fault("two of three brokers were killed 2 minutes ago", {"btc_kafka_below_min_isr_partitions": "0x30 9x{n}"},
          {"BtcKafkaBelowMinIsr"}, 32),
    Fault("no broker answers", {f'btc_kafka_broker_up broker="b-{number}"': "0x{n}" for number in range(3)},
          {"BtcKafkaDown", "BtcKafkaBrokerRefuses"}),
    Fault("no monitor answers", {}, {"BtcKafkaDown"}, gone=("btc_kafka",)),
    Fault("partitions have no leader", {"btc_kafka_offline_partitions": "3x{n}"}, {"BtcKafkaOffline"}),
    Fault("a controller was killed 4 minutes ago", {"btc_kafka_voters_behind": "0x30 1x{n}"},
          {"BtcKafkaControllers"}, 34),
    Fault("the controllers have no leader", {"btc_kafka_controller_known": "0x{n}"}, {"BtcKafkaControllers"}),
    Fault("the archive's disk is full", {"btc_archive_errors_total": "0+6x{n}"}, {"BtcArchiveFails"}),
    Fault("a volume fills", {"kubelet_volume_stats_available_bytes": "10x{n}"}, {"BtcVolumeFilling"}),
    Fault("an error is survived again and again", {"btc_errors_total": "0+6x{n}"}, {"BtcErrors"}),
)  # fmt: skip


def test_every_alert_has_a_fault_that_fires_it() -> None:
    """No alert of the chart is left untried."""
    assert {name for fault in FAULTS for name in fault.firing} == set(alerts())


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.name)
def test_a_fault_fires_its_alerts_and_no_other(fault: Fault, tmp_path: Path) -> None:
    """Prometheus itself evaluates the rendered rules over the fault's series."""
    promtool = shutil.which("promtool")
    if promtool is None:
        pytest.skip("no promtool on this machine: Debian's package prometheus brings it")
    (tmp_path / "rules.yaml").write_text(yaml.safe_dump({"groups": [{"name": "btc", "rules": rules()}]}))
    samples: list[dict[str, Any]] = [{"labels": f'{{alertname="{name}"}}', "value": 1} for name in sorted(fault.firing)]
    query = {"expr": 'count by (alertname) (count by (alertname) (ALERTS{alertstate="firing"}))',
             "eval_time": f"{fault.minutes}m", "exp_samples": samples}  # fmt: skip
    test = {"interval": "1m", "input_series": fault.series(), "promql_expr_test": [query]}
    whole = {"rule_files": ["rules.yaml"], "evaluation_interval": "1m", "tests": [test]}
    (tmp_path / "test.yaml").write_text(yaml.safe_dump(whole))
    done = subprocess.run([promtool, "test", "rules", "test.yaml"], cwd=tmp_path, capture_output=True, text=True,
                          timeout=120, check=False)  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
