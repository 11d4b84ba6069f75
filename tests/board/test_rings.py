"""Ring buffers."""

from app.board.rings import Field, Ring


def test_a_ring_forgets_by_overwriting() -> None:
    """A slot holds the newest of its seconds; one that is too old does not come back."""
    ring = Ring({"value": Field()}, 4)
    for second in range(10, 16):
        ring.store(second, ["A"], {"value": [float(second)]})
    ring.store(9, ["A"], {"value": [9.0]})
    assert ring.read("A", 0, 99)["value"].tolist() == [12.0, 13.0, 14.0, 15.0]
    ring.resize(2)
    assert ring.read("A", 0, 99, pick=slice(-1, None))["second"].tolist() == [15]
    assert ring.read("B", 0, 99)["value"].tolist() == []
