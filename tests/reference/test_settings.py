"""The page of settings."""

from pathlib import Path

from app.settings import Settings

ROOT = Path(__file__).resolve().parents[2]


def test_every_setting_is_explained() -> None:
    """The page has every variable with its description."""
    page = (ROOT / "docs/settings.md").read_text(encoding="utf-8")
    missing = [name for name, field in Settings.model_fields.items()
               if f"| `BTC_{name.upper()}` |" not in page or (field.description or "?") not in page]  # fmt: skip
    assert missing == []
