"""Where ticks come from."""

from pathlib import Path

import pytest

from app.up import source


def test_names_are_read_as_people_type_them(tmp_path: Path) -> None:
    """Every way to name a source gives its kind, its name and what `btc exchange` needs."""
    file = tmp_path / "Spot BTCUSDT.dat.gz"
    file.write_bytes(b"")
    assert source.parse("live") == source.TickSource("live", "live")
    assert source.parse("synthetic").name == "synthetic-7"
    assert source.parse("synthetic:3").arguments() == ["--synthetic", "3"]
    replay = source.parse(f"replay:{file}")
    assert (replay.name, replay.arguments()) == ("replay-spot-btcusdt", ["--replay", str(file)])


@pytest.mark.parametrize("text", ["", "kraken", "synthetic:x", "replay:", "live:1"])
def test_what_cannot_be_understood_is_named(text: str) -> None:
    """A word that is no source comes back in the error, with the words that are."""
    with pytest.raises(source.TickSourceError, match="use live, synthetic"):
        source.parse(text)


def test_a_missing_recording_is_named() -> None:
    """A file that is not there is named with its path."""
    with pytest.raises(source.TickSourceError, match=r"gone\.dat\.gz is not there"):
        source.parse("replay:gone.dat.gz")


def test_sources_never_share_a_folder() -> None:
    """Ids and state of one source mean nothing to another; an unattended run gets a folder of its own."""
    seven, live = source.parse("synthetic:7"), source.parse("live")
    assert seven.folder(fresh=False) != live.folder(fresh=False)
    assert seven.folder(fresh=True).parts[:2] == (".btc", "runs")
