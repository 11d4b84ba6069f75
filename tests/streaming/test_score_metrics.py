"""What outcomes say, as Prometheus metrics."""

from prometheus_client import REGISTRY

from app.records import OutcomeBatch, Score, Settlement
from app.streaming import score_metrics


def _score(symbol: str, model: str) -> Score:
    return Score(
        symbol=symbol, model=model, kind="tensorflow", role="champion", horizon_s=5, n=10, weight=10.0, mae=1e-4,
        rmse=2e-4, pinball=1e-5, skill=0.03, skill_low=0.0, skill_high=0.1, p_value=0.04, r2=0.01, direction=0.53,
        coverage={"0.9": 0.91, "0.5": 0.5}, pit=[0.05, 0.2, 0.25, 0.25, 0.2, 0.05],
    )  # fmt: skip


def _batch(*scores: Score) -> OutcomeBatch:
    settled = [Settlement(horizon_s=5, origin=95, symbols=["JUDGED"], realised=[1e-4], void={"unpriced": ["OTHER"]})]
    return OutcomeBatch(
        partition=7, second=100, closed_ms=0.0, sent_ms=0.0, settled=settled, scores=list(scores), settled_total={}
    )


def _value(name: str, **labels: str) -> float | None:
    return REGISTRY.get_sample_value(name, labels)


def test_skill_coverage_and_errors_are_shown() -> None:
    """Each running score becomes a series of its symbol, model and horizon; what was settled and void is counted."""
    before = _value("btc_settled_total", horizon_s="5") or 0.0
    score_metrics.update(_batch(_score("JUDGED", "one"), _score("*", "one")))
    labels = {"symbol": "JUDGED", "model": "one", "horizon_s": "5"}
    assert (_value("btc_skill", **labels), _value("btc_coverage", **labels)) == (0.03, 0.91)
    assert (_value("btc_mae", **labels), _value("btc_rmse", **labels)) == (1e-4, 2e-4)
    assert _value("btc_skill", **{**labels, "symbol": "*/7"}) == 0.03
    assert _value("btc_settled_total", horizon_s="5") == before + 1
    assert (_value("btc_void_total", horizon_s="5", reason="unpriced") or 0) >= 1


def test_series_of_a_model_that_left_go() -> None:
    """A release that no longer runs leaves no stale skill behind."""
    score_metrics.update(_batch(_score("JUDGED", "old")))
    score_metrics.update(_batch(_score("JUDGED", "new")))
    assert _value("btc_skill", symbol="JUDGED", model="old", horizon_s="5") is None


def test_many_symbols_show_their_mean_only() -> None:
    """Thousands of symbols must not become thousands of series."""
    score_metrics.update(_batch(_score("*", "one"), *(_score(f"S{n}", "one") for n in range(score_metrics.MANY))))
    assert _value("btc_skill", symbol="S3", model="one", horizon_s="5") is None
    assert _value("btc_skill", symbol="*/7", model="one", horizon_s="5") == 0.03
