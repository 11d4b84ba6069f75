"""The records a board decodes."""

import msgspec

from app.api.examples import bars, release
from app.board.records import Bars, Release
from app.records import FeatureBatch, ModelRelease


def test_feature_rows_and_artifacts_are_not_decoded() -> None:
    """The board's records read the wire's ones and skip what it does not show."""
    whole = bars()
    wire = FeatureBatch(
        **{name: getattr(whole, name) for name in whole.__struct_fields__}, feature_schema="x", features={"f": [1.0]}
    )
    assert msgspec.json.decode(msgspec.json.encode(wire), type=Bars) == whole
    slim = release()
    full = ModelRelease(**{name: getattr(slim, name) for name in slim.__struct_fields__}, artifact=b"0" * 1000)
    assert msgspec.json.decode(msgspec.json.encode(full), type=Release) == slim
