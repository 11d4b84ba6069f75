"""Forecasts to outcomes: settles each exactly once, learns the calibration, keeps the running scores."""

from typing import Any

from app.clock import wall_ms
from app.domain.batch_builders import outcome_batch
from app.domain.forecast import LEVELS
from app.domain.settlement import Settlements
from app.kafka import topics
from app.settings import settings
from app.streaming import score_metrics
from app.streaming.admission import admit, mark_done
from app.streaming.faust_app import app, topic
from app.streaming.partition_state import PartitionStates
from app.streaming.publisher import publish
from app.streaming.table_store import ring_records, slot_key, store
from tables.pending import PENDING
from tables.scores import SCORES

SCORES_EVERY_S = 10  # the seconds since are replayed from the ring, bit for bit
RING = max(settings().horizons_s) + 2 * SCORES_EVERY_S  # slots: the longest horizon, and what is replayed


def _restored(partition: int) -> Settlements:
    settlements = Settlements(settings().horizons_s, LEVELS, settings().scores_halflife_s)
    settlements.restore(ring_records(PENDING, partition, RING), SCORES.get(str(partition).encode()))
    return settlements


STATES = PartitionStates(_restored)


@app.agent(topic(topics.PREDICTIONS), name="outcomes")
async def outcomes(stream: Any) -> None:
    """Settle the forecasts made one horizon ago and publish their outcomes and the scores."""
    async for event in stream.events():
        batch, partition = event.value, event.message.partition
        # {"second": 1680652805, "mid": [28178.1], "horizons_s": [5, 10, 30, 60, 300], "forecasts": […]}
        async with STATES.processing(event) as settlements:
            if not admit("outcomes", event, settlements.last):
                continue
            out = outcome_batch(batch, *settlements.settle(batch), wall_ms())
            # {"settled": [{"horizon_s": 5, "origin": 1680652800, "symbols": ["BTCUSDT"], "realised": [2.66e-05]}]}
            await publish((topics.OUTCOMES, out), partition=partition)
            await store(PENDING, slot_key(partition, batch.second, RING), settlements.pending_record(batch))
            if batch.second % SCORES_EVERY_S == 0:
                await store(SCORES, str(partition).encode(), settlements.scores_record())
            score_metrics.update(out)
            mark_done("outcomes", out)
