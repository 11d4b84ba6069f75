"""The trainer: what it releases, and what it waits for."""

import asyncio
import math
from collections.abc import Callable
from typing import Any

import pytest
import stamina

from app.domain import features
from app.domain.artifact import unpack
from app.domain.forecast import LEVELS
from app.domain.registry import rejection_reasons
from app.domain.symbol_series import SymbolSeries
from app.service.heartbeat import ProcessStatus
from app.settings import Settings
from app.training import trainer as module
from app.training.pipeline import TrainingError, TrainingResult
from app.training.trainer import Trainer, challenger, origin
from tests.training.binance import Binance
from tests.training.conftest import HORIZONS


@pytest.mark.slow
def test_a_release_carries_origin_and_evaluation(
    predictable: tuple[list[SymbolSeries], TrainingResult],
) -> None:
    """The record carries figures, origin and expiry, and passes the verification of the worker."""
    _history, trained = predictable
    release = challenger(trained, end=1_700_000_000, ttl_s=3600)
    assert release.id == "tf-20231114-221320"
    assert release.expires_ms == 1_700_003_600_000.0
    assert (release.role, release.origin, release.metrics["mids"]) == ("challenger", "a test", 1.0)
    assert {"skill_5s", "p_value_300s", "coverage_90_60s", "ridge_skill_5s", "suspicious"} <= release.metrics.keys()
    assert rejection_reasons(release, features.SCHEMA, HORIZONS, LEVELS, now_ms=1_700_000_000_000.0) == []
    assert unpack(release.artifact).header.metrics == release.metrics
    assert len(release.artifact) < 300_000


async def test_without_any_history_the_trainer_names_what_it_waits_for() -> None:
    """A replay: the exchange has nothing of its own and the live history has just begun."""
    trainer = Trainer(Settings(symbols=("BTCUSDT",)), ProcessStatus())
    with pytest.raises(TrainingError, match="0 of 1800 s with quotes"):
        await trainer.train_once(Binance(5000, 5000).klines(3600))


async def test_the_trainer_releases_a_challenger_from_the_exchange_s_history() -> None:
    """Named after the exchange's time, expiring by it, and with its origin."""
    trainer = Trainer(Settings(symbols=("BTCUSDT",), train_epochs=1, release_ttl_s=60), ProcessStatus())
    release = await trainer.train_once(Binance(0, 4000).klines(3600))
    assert (release.id, release.expires_ms) == ("tf-19700101-010640", 4_060_000.0)
    assert release.origin == "live: BTCUSDT 3600 s of klines to 1970-01-01 01:06:40"
    assert release.metrics["mids"] == 0.0
    assert origin([], "replay") == "replay: "


async def test_a_failed_training_shows_its_reason_in_the_heartbeat() -> None:
    """The exchange does not answer: the note is that there is no new model, and why."""
    status = ProcessStatus()
    trainer = Trainer(Settings(symbols=("BTCUSDT",), exchange_rest_url="http://127.0.0.1:1"), status)
    sender: Any = None  # nothing is published
    with stamina.set_testing(True, attempts=1), pytest.raises(TrainingError):
        await trainer.run_training(sender)
    assert status.note.startswith("no new model yet: http://127.0.0.1:1/api/v3/time does not answer: ")


async def test_a_training_ends_at_its_next_epoch_when_the_process_stops() -> None:
    """A thread cannot be cancelled, and the process waits for it: without this a stop takes as long as a training."""
    trainer = Trainer(Settings(symbols=("BTCUSDT",), train_epochs=10_000), ProcessStatus())
    training = asyncio.create_task(trainer.train_once(Binance(0, 4000).klines(3600)))
    while "training_s" not in trainer._status.progress and "epoch" not in trainer._status.progress:
        await asyncio.sleep(0.05)
    training.cancel()
    with pytest.raises(asyncio.CancelledError):
        await training
    async with asyncio.timeout(20):
        await asyncio.get_running_loop().shutdown_default_executor()


async def test_each_loop_of_the_trainer_beats_and_a_training_that_stands_still_stalls(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Within two minutes without an epoch; the hour until the next training does not count."""
    status, now_s, while_training = ProcessStatus(), 0.0, list[str]()
    trainer = Trainer(Settings(symbols=("BTCUSDT",)), status)
    monkeypatch.setattr(trainer.loops, "_clock", lambda: now_s)

    def train(_history: object, _plan: object, report: Callable[..., None]) -> None:
        nonlocal now_s
        for step_s in (80.0, 80.0, 110.0):
            report({}, "an epoch")
            now_s += step_s
            while_training.append(status.stall_reason())
        raise TrainingError("enough")

    monkeypatch.setattr(module, "train", train)
    with pytest.raises(TrainingError, match="enough"):
        await trainer.train_once(Binance(0, 4000).klines(3600))
    assert while_training == ["", "", "no progress for 110 s: train a model"]
    now_s += 3600.0
    assert status.stall_reason() == ""


async def test_a_trainer_whose_promotion_stands_still_is_stalled(monkeypatch: pytest.MonkeyPatch) -> None:
    """It decides every ten seconds; without Kafka it may not, and that is no stall."""
    status, now_s, answering_s = ProcessStatus(), 0.0, math.inf
    status.kafka_answering_s = lambda: answering_s
    trainer = Trainer(Settings(symbols=("BTCUSDT",)), status)
    monkeypatch.setattr(trainer.loops, "_clock", lambda: now_s)
    sender: Any = None  # nothing is published
    promotion = asyncio.create_task(trainer.run_promotion(sender))
    await asyncio.sleep(0)
    now_s = 110.0
    assert status.stall_reason() == "no progress for 110 s: change roles"
    answering_s = 0.0
    assert status.stall_reason() == ""
    promotion.cancel()
