"""Endpoints of the exchange and the error of one that does not answer."""

from app.collector.endpoints import UnreachableError, endpoints


def test_endpoints_are_separated_by_commas_and_rotate() -> None:
    """The first one is in use."""
    urls = endpoints(" wss://a ,,wss://b")
    assert list(urls) == ["wss://a", "wss://b"]
    urls.rotate(-1)
    assert urls[0] == "wss://b"


def test_an_endpoint_that_does_not_answer_is_one_line_with_advice() -> None:
    """An error without a text shows its type."""
    assert str(UnreachableError("wss://a", TimeoutError())) == (
        "Binance at wss://a cannot be reached (TimeoutError): "
        "check the network, or run the emulator: btc up --exchange synthetic"
    )
