"""The wiring of the worker: what is missing there would fail silently."""

import asyncio

import pytest
from faust.types import TP

import agents
from app import worker
from app.settings import settings
from app.streaming.partition_state import PartitionStates


def test_every_agent_with_state_is_wired() -> None:
    """A rebalance waits for the events of these agents, and drops the states of these."""
    modules = [module for module in vars(agents).values() if hasattr(module, "STATES")]
    assert len(modules) >= 2
    assert {id(module.STATES) for module in modules} == {id(states) for states in worker.SERVICES._states}


async def test_faust_revokes_partitions_through_the_wired_services(monkeypatch: pytest.MonkeyPatch) -> None:
    """Faust's own signal drops the state of a revoked partition, in the real wiring."""
    states = agents.outcomes.STATES
    monkeypatch.setattr(states, "_states", {2: object(), 3: object()})
    await worker.app.on_partitions_revoked.send({TP("btc.ticks", 2)})
    assert set(states._states) == {3}


async def test_faust_waits_for_the_events_of_the_agents() -> None:
    """Before a rebalance goes on, and only as long as an event is being processed."""
    await worker.app._consumer_wait_empty(None, None)
    states = agents.outcomes.STATES
    states.idle.clear()
    waiting = asyncio.create_task(worker.app._consumer_wait_empty(None, None))
    await asyncio.sleep(0.01)
    assert not waiting.done()
    states.idle.set()
    await waiting


async def test_a_revoked_partition_loses_its_state_and_no_other() -> None:
    """States are built again from the tables when the partition comes back."""
    states = PartitionStates(lambda _partition: object())
    services = worker.WorkerServices(settings(), (states,))
    kept, dropped = states.get(1), states.get(2)
    await services.drop_revoked(worker.app, {TP("btc.ticks", 2)})
    assert states.get(1) is kept
    assert states.get(2) is not dropped
