"""The emulator's own routes."""

import httpx

from app.emulator import Exchange, synthetic
from app.emulator.replay import ReplayMarket


async def test_the_state_of_a_held_exchange_has_no_anchor(small_market: ReplayMarket, http: httpx.AsyncClient) -> None:
    """Before the first subscription the clock shows the recording's start, and nothing was sent."""
    async with Exchange(small_market) as exchange:
        state = (await http.get(exchange.rest_url + "/emulator")).json()
    assert state["source"] == "replay small.txt"
    assert state["about"] == {"events": 11, "malformed": {"count": 0, "first": []}, "not_served": {}}
    assert (state["started"], state["anchor"], state["finished"]) == (False, None, False)
    assert (state["sent"], state["late_ms"], state["clients"]) == ({}, {}, 0)
    assert state["now_ms"] == state["span_ms"][0]


async def test_the_state_of_a_synthetic_market_has_its_parameters(http: httpx.AsyncClient) -> None:
    """Seed, kind and rate make the market; it has no span."""
    async with Exchange(synthetic(7, martingale=True, ticks_per_s=12.0)) as exchange:
        state = (await http.get(exchange.rest_url + "/emulator")).json()
    assert state["about"] == {"seed": 7, "martingale": True, "ticks_per_s": 12.0}
    assert state["span_ms"] is None


async def test_sent_events_are_asked_for_by_a_known_symbol(http: httpx.AsyncClient) -> None:
    """Wrong parameters get the same errors as on Binance's routes."""
    async with Exchange(synthetic(7)) as exchange:
        url = exchange.rest_url + "/emulator/sent"
        codes = [
            (await http.get(url, params=query)).json()["code"]
            for query in ({}, {"symbol": "NOPE"}, {"symbol": "BTCUSDT", "from": "x"})
        ]
    assert codes == [-1102, -1121, -1100]


async def test_a_wrong_fault_is_refused(http: httpx.AsyncClient) -> None:
    """JSON that is no fault and an unknown fault are answered with 400 and the reason."""
    async with Exchange(synthetic(7)) as exchange:
        url = exchange.rest_url + "/emulator/faults"
        answers = [
            await http.post(url, content=body) for body in (b"{", b'{"fault":"x"}', b'{"fault":"silence","s":1}')
        ]
    assert [answer.status_code for answer in answers] == [400] * 3
    assert all(answer.json()["msg"] for answer in answers)
