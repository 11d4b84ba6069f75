"""Scores and models: how good the forecasts are, which model serves, which releases exist."""

from collections import Counter

import msgspec

from app.board.state import BoardState
from app.board.symbols import partition_of
from app.board.views import Models, RunningModel, ScoreRow, Scores


def scores(state: BoardState, symbol: str | None) -> Scores:
    """Return the running scores per symbol, model and horizon; symbol `*` is the mean over a partition's symbols."""
    if symbol not in {None, "*"}:
        partition_of(state, str(symbol))
    rows = [
        ScoreRow(partition=partition, second=second, **msgspec.structs.asdict(score))
        for (partition, name, _, _), (second, score) in sorted(state.scores.items(), key=lambda item: item[0])
        if symbol in {None, name}
    ]
    totals: Counter[str] = Counter()
    for settled in state.settled_total.values():
        totals.update(settled)
    return Scores(scores=rows, settled_total=dict(totals))


def models(state: BoardState) -> Models:
    """Return which models forecast now, and every release, newest first."""
    running = {
        forecast.model: RunningModel(
            model=forecast.model, kind=forecast.kind, role=forecast.role, serves=forecast.model == batch.champion
        )
        for batch in state.predictions.values()
        for forecast in batch.forecasts
    }
    return Models(
        champion=next((name for name, model in running.items() if model.serves), None),
        tensorflow=tensorflow_role(state),
        running=list(running.values()),
        releases=sorted(state.releases.values(), key=lambda release: -release.created_ms),
    )


def tensorflow_role(state: BoardState) -> str:
    """Return what TensorFlow's model is now: champion, challenger, or none."""
    roles = {
        "champion" if forecast.model == batch.champion else "challenger"
        for batch in state.predictions.values()
        for forecast in batch.forecasts
        if forecast.kind == "tensorflow"
    }
    return "champion" if "champion" in roles else "challenger" if roles else "none"
