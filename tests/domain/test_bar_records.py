"""Bar records: bit for bit, or refused with a reason."""

from collections.abc import Callable

import numpy as np
import pytest

from app.domain.bar_records import RecordError, pack, unpack
from app.domain.bars import CHANNELS
from app.domain.windows import SymbolWindows
from app.records import TickBatch


def test_a_record_gives_back_what_was_packed(market: Callable[..., list[TickBatch]]) -> None:
    """Second, names of any spelling and bars come back bit for bit."""
    (batch,) = market(11, ["A\nB", "Ω"], 1)
    windows = SymbolWindows()
    held = unpack(windows.update(batch))
    assert (held.second, held.symbols) == (batch.second, ["A\nB", "Ω"])
    np.testing.assert_array_equal(held.bars.T, [windows.feature_rows().bars[name] for name in CHANNELS])


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda record: record[:20], "not a bar record"),
        (lambda record: b"x" + record[1:], "not a bar record"),
        (lambda record: record[:4] + b"\0" * 8 + record[12:], "another version"),
        (lambda record: record[:-1] + bytes([record[-1] ^ 1]), "checksum differs"),
    ],
)
def test_a_record_that_cannot_be_read_is_refused_with_its_reason(change: Callable[[bytes], bytes], reason: str) -> None:
    """Foreign, outdated and damaged records have different reasons."""
    with pytest.raises(RecordError, match=reason):
        unpack(change(pack(7, ["A"], np.ones((1, len(CHANNELS))))))
