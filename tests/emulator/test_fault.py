"""The schema of faults."""

import msgspec
import pytest

from app.emulator.fault import KINDS, Fault


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        ({"fault": "earthquake"}, "no fault 'earthquake'; choose restart_ids, clock, .* or unreachable_rest"),
        ({"fault": "silence", "s": 1}, "unknown field `s`"),
        ({"fault": "silence", "seconds": -1}, "`float` >= 0"),
        ({"fault": "silence", "copies": 3}, "copies: silence does not take it; it takes count, seed, share, streams"),
        ({"fault": "silence", "streams": ["kline"]}, "streams: no 'kline'; choose among aggTrade, "),
        ({"fault": "damage_id"}, "by: damage_id needs it"),
        ({"fault": "clock"}, "clock needs by_s or drift"),
        ({"fault": "max_age"}, "age_s: max_age needs it"),
        ({"fault": "slow_rest"}, "delay_s: slow_rest needs it"),
        ({"fault": "restart_ids", "seconds": 3}, "restarted ids stay"),
        ({"fault": "black_hole", "symbols": ["BTCUSDT"]}, "symbols: black_hole acts on all symbols"),
        ({"fault": "refuse_handshake", "status": 200}, ">= 400"),
    ],
)
def test_a_wrong_fault_says_what_to_do(body: dict[str, object], reason: str) -> None:
    """Every parameter is checked against its type, its range and its fault."""
    with pytest.raises(msgspec.ValidationError, match=reason):
        msgspec.convert(body, Fault)


def test_every_fault_of_the_design_is_there() -> None:
    """Each has a bit of its own in the record, which has room for 31."""
    assert len(set(KINDS)) == len(KINDS) == 20


def test_a_fault_is_written_without_its_defaults() -> None:
    """What the API lists can be injected again."""
    fault = Fault("silence", 5.0, symbols=("BTCUSDT",))
    text = msgspec.json.encode(fault)
    assert text == b'{"fault":"silence","seconds":5.0,"symbols":["BTCUSDT"]}'
    assert msgspec.json.decode(text, type=Fault) == fault
