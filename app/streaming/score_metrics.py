"""Prometheus metrics of settled forecasts and running scores."""

from app import metrics
from app.records import OutcomeBatch, Score

MANY = 20  # symbols in a partition: beyond, only their mean has series
GAUGES = (metrics.SKILL, metrics.COVERAGE, metrics.MAE, metrics.RMSE)
_models: set[str] = set()


def update(batch: OutcomeBatch) -> None:
    """Count settled and void forecasts and set the running scores; series of retired models are removed."""
    for one in batch.settled:
        horizon = str(one.horizon_s)
        metrics.SETTLED.labels(horizon).inc(len(one.symbols))
        for reason, symbols in one.void.items():
            metrics.VOID.labels(horizon, reason).inc(len(symbols))
    _remove_retired({score.model for score in batch.scores})
    many = len({score.symbol for score in batch.scores} - {"*"}) >= MANY
    for score in batch.scores:
        if score.symbol == "*" or not many:
            _set(f"*/{batch.partition}" if score.symbol == "*" else score.symbol, score)


def _remove_retired(models: set[str]) -> None:
    if models and not _models <= models:
        for gauge in GAUGES:
            gauge.clear()
    _models.clear()
    _models.update(models)


def _set(symbol: str, score: Score) -> None:
    labels = (symbol, score.model, str(score.horizon_s))
    metrics.SKILL.labels(*labels).set(score.skill)
    metrics.COVERAGE.labels(*labels).set(score.coverage.get("0.9", 0.0))
    metrics.MAE.labels(*labels).set(score.mae)
    metrics.RMSE.labels(*labels).set(score.rmse)
