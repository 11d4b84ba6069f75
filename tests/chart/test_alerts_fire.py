"""Every alert fires for its fault and for no other: the rendered rules under `promtool test rules`."""

import shutil
import subprocess
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.chart.test_observability import alerts, rules

NS = 'namespace="btc", release="btc"'
NEIGHBOUR = NS.replace('release="btc"', 'release="btc-2"')  # a release in the same namespace
LONG = 1400  # samples, one a minute: almost a day
HEALTHY = {
    f'up{{{NS}, component="web-app"}}': "1x{n}",
    f'btc_api_requests_total{{{NS}, route="/v1/bars", status="200"}}': "0+6000x{n}",
    f'btc_api_requests_total{{{NS}, route="/v1/bars", status="500"}}': "0x{n}",
    f'btc_api_requests_total{{{NS}, route="/v1/stream", status="101"}}': "0x{n}",
    f'btc_api_requests_total{{{NS}, route="/v1/stream", status="503"}}': "0x{n}",
    f'btc_api_requests_total{{{NS}, route="/readyz", status="200"}}': "0+6000x{n}",
    f'btc_api_requests_total{{{NS}, route="/readyz", status="503"}}': "0x{n}",
    f'btc_api_sessions_ended_total{{{NS}, reason="client"}}': "0+60x{n}",
    f'btc_api_sessions_ended_total{{{NS}, reason="error"}}': "0x{n}",
    f'btc_api_latency_seconds_bucket{{{NS}, route="/v1/bars", le="0.1"}}': "0+6000x{n}",
    f'btc_api_latency_seconds_count{{{NS}, route="/v1/bars"}}': "0+6000x{n}",
    f'btc_api_latency_seconds_bucket{{{NS}, route="/metrics", le="0.1"}}': "0+6000x{n}",
    f'btc_api_latency_seconds_count{{{NS}, route="/metrics"}}': "0+6000x{n}",
    f'btc_board_second{{{NS}, component="web-app"}}': "0+60x{n}",
    f'btc_board_second{{{NS}, component="dashboard"}}': "0+60x{n}",
    f'btc_board_second{{{NS}, component="trainer"}}': "0x{n}",  # it has no board
    **{f'btc_ticks_second{{{NS}, partition="{number}"}}': "0+60x{n}" for number in range(2)},
    **{f'btc_ticks_batches_total{{{NS}, partition="{number}"}}': "0+60x{n}" for number in range(2)},
    f"btc_ticks_lag_seconds{{{NS}}}": "0.1x{n}",
    f"btc_ticks_future_seconds{{{NS}}}": "0x{n}",
    f"btc_ticks_silent_seconds{{{NS}}}": "0.1x{n}",
    f'btc_ticks_clock_doubts_total{{{NS}, source="rest"}}': "0x{n}",
    f'btc_ticks_lost_total{{{NS}, symbol="BTCUSDT"}}': "0x{n}",
    f'btc_board_gap_age_seconds{{{NS}, component="web-app", stream="trades"}}': "600x{n}",  # being filled
    f'btc_board_gap_age_seconds{{{NS}, component="dashboard", stream="trades"}}': "600x{n}",
    f'btc_board_gap_age_seconds{{{NS}, component="web-app", stream="quotes"}}': "0x{n}",
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
    'kubelet_volume_stats_available_bytes{namespace="btc", persistentvolumeclaim="data-btc-kafka-0"}': "80x{n}",
    'kubelet_volume_stats_capacity_bytes{namespace="btc", persistentvolumeclaim="data-btc-kafka-0"}': "100x{n}",
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

    def series(self) -> dict[str, str]:
        """Return the healthy series with this fault's laid over."""
        found = {name: values for name, values in HEALTHY.items() if not name.startswith(self.gone or ("no such",))}
        for part, values in self.changes.items():
            metric, _, labels = part.partition(" ")
            (name,) = [one for one in HEALTHY if one.startswith(metric + "{") and all(x in one for x in labels.split())]
            found[name] = values
        return found


def _burns(promise: str, worst: int) -> set[str]:
    return {f"Btc{promise}{speed}" for speed in BURNS[worst:]}


ERRORS, SLOW = 'btc_api_requests_total status="500"', 'btc_api_latency_seconds_bucket route="/v1/bars"'
GAP_AGE = 'btc_board_gap_age_seconds component="web-app" stream="trades"'
BOARDS = ('btc_board_second component="web-app"', 'btc_board_second component="dashboard"')
BURNT = _burns("Freshness", 0)
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
    Fault("2 % of the handshakes fail",
          {'btc_api_requests_total status="503" stream': "0+120x{n}"}, _burns("Availability", 0), 300),
    Fault("2 % of the sessions are broken",
          {'btc_api_sessions_ended_total reason="error"': "0+120x{n}"}, _burns("Availability", 0), 300),
    Fault("probes fail, which no user sees", {'btc_api_requests_total status="503" readyz': "0+6000x{n}"}, set(), 300),
    Fault("no user comes", {'btc_api_requests_total status="200" bars': "0x{n}", SLOW: "0x{n}",
                            'btc_api_latency_seconds_count route="/v1/bars"': "0x{n}"}, set(), 300),
    Fault("scrapes are slow, which no user sees",
          {'btc_api_latency_seconds_bucket route="/metrics"': "0x{n}"}, set(), 300),
    Fault("no API", {}, {"BtcApiDown"}, gone=("up{", "btc_api")),
    Fault("no API answers", {"up": "1x10 0x{n}"}, {"BtcApiDown"}),
    Fault("no API gets a forecast", {BOARDS[0]: "0x{n}"}, {"BtcApiDown"}),
    Fault("the API's board stands still", {BOARDS[0]: "0+60x10 600x{n}"}, BURNT | {"BtcLag"}, 300),
    Fault("the dashboard's board stands still", {BOARDS[1]: "0+60x10 600x{n}"}, BURNT | {"BtcLag"}, 300),
    Fault("the worker is behind", dict.fromkeys(BOARDS, "0x0 0+60x{n}"), BURNT | {"BtcLag"}, 300),
    Fault("a new installation has no forecast for a while", dict.fromkeys(BOARDS, "0x5 360+60x{n}"), set(), 60),
    Fault("a stage takes seconds", {'btc_stage_latency_seconds_bucket le="1"': "0+30x{n}"}, {"BtcStageSlow"}),
    Fault("dead letters", {"btc_dead_letters_total": "0x55 1+1x{n}"}, {"BtcDeadLetters"}),
    Fault("the collector is gone", {}, {"BtcFeedSilent"}, gone=("btc_ticks_second",)),
    Fault("one of two partitions is stuck", {'btc_ticks_second partition="1"': "0+60x50 3000x{n}"},
          {"BtcFeedSilent"}, 55),
    Fault("a collector is behind by the exchange's clock", {"btc_ticks_lag_seconds": "0.1x30 60x{n}"},
          {"BtcFeedSilent"}),
    Fault("the topic holds seconds of the future", {"btc_ticks_future_seconds": "3590x{n}"}, {"BtcFeedFuture"}),
    Fault("seconds of the future are written", {'btc_ticks_second partition="1"': "300+60x{n}"},
          {"BtcFeedFuture", "BtcLag"}),
    Fault("the exchange is silent", {"btc_ticks_silent_seconds": "0.1x30 60x{n}"}, {"BtcExchangeSilent"}),
    Fault("REST time contradicts trades", {"btc_ticks_clock_doubts_total": "0x30 1x{n}"}, {"BtcClockDoubt"}),
    Fault("a gap is not filled", {GAP_AGE: "0+60x{n}"}, {"BtcFeedGapOpen"}),
    Fault("trades are lost", {"btc_ticks_lost_total": "0x30 1x{n}"}, {"BtcFeedIncomplete"}),
    Fault("seconds are skipped", {'btc_ticks_batches_total partition="0"': "0+58x{n}"}, {"BtcFeedSkipsSeconds"}),
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


def _test(fault: Fault, series: dict[str, str], release: str = "btc") -> dict[str, Any]:
    """Return promtool's test that exactly the alerts of a fault fire, with the labels of its release."""
    samples = [{"labels": f'{{alertname="{name}", namespace="btc", release="{release}"}}', "value": 1}
               for name in sorted(fault.firing)]  # fmt: skip
    firing = 'count by (alertname, namespace, release) (ALERTS{alertstate="firing"})'
    query = {"expr": f"{firing} > bool 0", "eval_time": f"{fault.minutes}m", "exp_samples": samples}
    rows = [{"series": name, "values": text.format(n=fault.minutes)} for name, text in sorted(series.items())]
    return {"interval": "1m", "input_series": rows, "promql_expr_test": [query]}


def _run(folder: Path, test: dict[str, Any], rule_files: dict[str, list[dict[str, Any]]]) -> None:
    promtool = shutil.which("promtool")
    if promtool is None:
        pytest.skip("no promtool on this machine: Debian's package prometheus brings it")
    for name, found in rule_files.items():
        (folder / name).write_text(yaml.safe_dump({"groups": [{"name": name, "rules": found}]}))
    whole = {"rule_files": list(rule_files), "evaluation_interval": "1m", "tests": [test]}
    (folder / "test.yaml").write_text(yaml.safe_dump(whole))
    done = subprocess.run([promtool, "test", "rules", "test.yaml"], cwd=folder, capture_output=True, text=True,
                          timeout=120, check=False)  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.name)
def test_a_fault_fires_its_alerts_and_no_other(fault: Fault, tmp_path: Path) -> None:
    """Prometheus itself evaluates the rendered rules over the fault's series."""
    _run(tmp_path, _test(fault, fault.series()), {"rules.yaml": rules()})


QUICK = [one for one in FAULTS if one.firing and (one.minutes <= 120 or one.name == "2 % of the answers fail")]


@pytest.mark.parametrize("fault", QUICK, ids=lambda fault: fault.name)
def test_of_two_releases_in_a_namespace_only_the_broken_one_fires(fault: Fault, tmp_path: Path) -> None:
    """The rules of both are loaded; the neighbour's name begins with the healthy one's, as do its volumes' claims."""
    broken = {_of_neighbour(name): values for name, values in fault.series().items()}
    both = {"btc.yaml": rules(), "btc-2.yaml": rules("btc-2")}
    _run(tmp_path, _test(fault, HEALTHY | broken, "btc-2"), both)


def _of_neighbour(name: str) -> str:
    return name.replace(NS, NEIGHBOUR).replace("data-btc-", "data-btc-2-")
