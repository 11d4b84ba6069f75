"""The page of features."""

from pathlib import Path

from app.domain import bars, features

ROOT = Path(__file__).resolve().parents[2]


def test_every_feature_and_channel_is_explained() -> None:
    """Each feature has a formula and a source, each channel of a bar a row."""
    page, _, second = (ROOT / "docs/features.md").read_text(encoding="utf-8").partition("\n## ")
    rows = {row.split("|")[1].strip(" `"): row.split("|") for row in page.splitlines() if row.startswith("| `")}
    assert list(rows) == list(features.NAMES)
    assert [name for name in features.NAMES if not rows[name][2].strip() or not rows[name][3].strip()] == []
    assert [channel for channel in bars.CHANNELS if f"| `{channel}` |" not in second] == []
