"""The knobs."""

import pytest
from pydantic import ValidationError

from app.settings import Settings


def test_every_field_is_described() -> None:
    """A knob nobody explained is a knob nobody can turn."""
    assert not [name for name, field in Settings.model_fields.items() if not field.description]


def test_lists_are_read_from_commas(monkeypatch: pytest.MonkeyPatch) -> None:
    """Symbols and horizons come as a person types them: with spaces, in small letters, doubled."""
    monkeypatch.setenv("BTC_SYMBOLS", "btcusdt, ethusdt,BTCUSDT")
    monkeypatch.setenv("BTC_HORIZONS_S", "5,60")
    settings = Settings()
    assert settings.symbols == ("BTCUSDT", "ETHUSDT")
    assert settings.horizons_s == (5, 60)


@pytest.mark.parametrize("horizons", ["60,5", "0,5", "5,5", ""])
def test_horizons_must_rise(horizons: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Horizons that do not rise from one second are refused by name."""
    monkeypatch.setenv("BTC_HORIZONS_S", horizons)
    with pytest.raises(ValidationError, match="BTC_HORIZONS_S"):
        Settings()


def test_settings_are_frozen() -> None:
    """Settings do not change while a process runs."""
    with pytest.raises(ValidationError):
        Settings().speed = 2.0  # type: ignore[misc]


@pytest.mark.parametrize(
    ("url", "bootstrap"), [("", "127.0.0.1:9092"), ("kafka://a:1,b:2", "a:1,b:2"), ("broker:9093", "broker:9093")]
)
def test_brokers_are_found(url: str, bootstrap: str) -> None:
    """An empty URL means the embedded Kafka; any other is taken as given."""
    assert Settings(kafka_url=url).bootstrap == bootstrap
