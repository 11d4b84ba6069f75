"""The codec of the Faust app, and what it does with messages nobody can use."""

from types import SimpleNamespace
from typing import Any

import pytest
from faust.exceptions import ValueDecodeError

from app.records import TickBatch
from app.settings import Settings
from app.streaming import faust_app
from app.streaming.faust_app import StructSchema
from tests.live.ticks import START, batch, payload


def _message(value: bytes | None) -> Any:
    return SimpleNamespace(value=value, topic="btc.ticks", partition=2, offset=7)


def test_a_struct_travels_there_and_back() -> None:
    """What is dumped is loaded as it was."""
    schema, sent = StructSchema(TickBatch), batch(START)
    value, _headers = schema.dumps_value(None, sent, headers=None)
    assert schema.loads_value(None, _message(value)) == sent


@pytest.mark.parametrize("value", [None, b"", b"\xff{", b"[" * 100_000, payload(START).replace(b"0.5", b"NaN")])
def test_what_does_not_fit_is_an_error_with_a_reason(value: bytes | None) -> None:
    """Empty, not UTF-8, too deep, not a number: all of them one type of error."""
    with pytest.raises(ValueDecodeError) as found:
        StructSchema(TickBatch).loads_value(None, _message(value))
    assert str(found.value)


async def test_an_app_that_nobody_wired_does_not_start() -> None:
    """Without its lifecycle it would neither prepare nor wait for events: it says so instead."""
    bare = faust_app.create_app(Settings(app_id="bare"))
    with pytest.raises(RuntimeError, match=r"faust -A app worker"):
        await bare.on_first_start()
    with pytest.raises(RuntimeError, match="no lifecycle"):
        await bare.wait_for_events()
