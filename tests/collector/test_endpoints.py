"""Endpoints of the exchange and the error of one that does not answer."""

from app.collector.endpoints import FIRST_PUT_BACK_S, HEDGE_S, Endpoints, UnreachableError, endpoints


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


def test_connections_that_fail_side_by_side_put_an_endpoint_back_once() -> None:
    """Two of them rotated the list twice before: back to the dead one."""
    shared = Endpoints("ws://a,ws://b")
    shared.failed("ws://a", started_s=0.0, now_s=4.0)
    shared.failed("ws://a", started_s=0.1, now_s=4.1)
    assert shared.choose(4.2) == "ws://b"
    assert shared.choose(4.0 + FIRST_PUT_BACK_S) == "ws://a"


def test_an_endpoint_that_fails_again_is_put_back_for_longer_until_it_works() -> None:
    """15 s, then 30 s; a frame makes it the first again."""
    shared = Endpoints("ws://a,ws://b")
    shared.failed("ws://a", started_s=0.0, now_s=1.0)
    shared.failed("ws://a", started_s=20.0, now_s=21.0)
    assert shared.choose(50.0) == "ws://b"
    assert shared.choose(52.0) == "ws://a"
    shared.worked("ws://a")
    shared.failed("ws://a", started_s=20.0, now_s=60.0)
    assert (shared.choose(60.0), shared.choose(76.0)) == ("ws://b", "ws://a")


def test_one_connection_finds_out_whether_an_endpoint_works_and_a_second_hedges() -> None:
    """The others wait; after 1.5 s the next endpoint is tried beside it."""
    shared = Endpoints("ws://a,ws://b")
    shared.started("ws://a", now_s=0.0)
    assert shared.choose(1.0) is None
    assert shared.choose(HEDGE_S) == "ws://b"
    shared.started("ws://b", now_s=HEDGE_S)
    assert shared.choose(HEDGE_S) is None
    shared.worked("ws://b")
    assert shared.choose(HEDGE_S) == "ws://b"


def test_an_endpoint_is_left_alone_as_long_as_it_says() -> None:
    """Also when it is the only one."""
    shared = Endpoints("ws://a")
    shared.failed("ws://a", started_s=0.0, now_s=1.0, refuses_s=7.0)
    assert (shared.choose(7.9), shared.wait_s(3.0)) == (None, 5.0)
    assert (shared.choose(8.0), shared.wait_s(8.0)) == ("ws://a", 0.0)
