"""The exchange's clock from REST time and trade times: bounds, refusals, steps."""

from collections.abc import Callable, Iterator
from itertools import pairwise
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.clock import Clock
from app.collector.exchange_clock import ExchangeClock

HOUR_MS = 3_600_000.0
EVERY_MS = 50.0  # of wall time: trades, and calls of `get`
Wrong = Callable[[float], float]  # wall ms → error of the time shown, ms


def right(_at_ms: float) -> float:
    """Return no error."""
    return 0.0


class Market:
    """An exchange whose clock is `lead` ms ahead of the wall clock; its trades are in transit for 20 to 120 ms."""

    def __init__(self, lead: float = 0.0, rate: float = 1.0, seed: int = 1) -> None:
        self.clock, self.lead, self.rate = ExchangeClock(rate), lead, rate
        self.at_ms, self._random = 0.0, Random(seed)

    def true_ms(self) -> float:
        """Return the exchange's time."""
        return self.lead + self.rate * self.at_ms

    def read(self, error: float = 0.0) -> None:
        """Read REST time, with this error, in a round trip of 10 ms."""
        self.clock.update_reading(Clock(self.true_ms() + error, self.at_ms, self.rate), 5.0)

    def trade(self, error: float = 0.0, symbol: str = "BTCUSDT") -> None:
        """Receive a trade whose time is wrong by `error`."""
        transit_ms = self._random.uniform(20.0, 120.0)
        self.clock.update_trade(symbol, int(self.true_ms() - self.rate * transit_ms + error), self.at_ms)

    def errors(self, for_s: float, trades: Wrong = right, rest: Wrong | None = right) -> Iterator[float | None]:
        """Yield the clock's error at each call, None while it is unknown; REST is read each second or never."""
        for step in range(int(for_s * 1000 / EVERY_MS)):
            if rest and step % 20 == 0:
                self.read(rest(self.at_ms))
            self.trade(trades(self.at_ms))
            shown = self.clock.get(self.at_ms)
            yield shown.exchange_ms(self.at_ms) - self.true_ms() if shown else None
            self.at_ms += EVERY_MS

    def run(self, for_s: float, trades: Wrong = right, rest: Wrong | None = right) -> list[float]:
        """Return the clock's errors, without those before it was known."""
        return [error for error in self.errors(for_s, trades, rest) if error is not None]


def within(since_ms: float, until_ms: float, error: float) -> Wrong:
    """Return an error that lasts for some time."""
    return lambda at_ms: error if since_ms <= at_ms < until_ms else 0.0


@settings(max_examples=60, deadline=None)  # the machine may be slow
@given(
    lead=st.floats(-1e12, 1e12), rate=st.sampled_from([1.0, 20.0]), seed=st.integers(0, 1000),
    rest=st.sampled_from([0.0, HOUR_MS, -HOUR_MS, 300_000.0, -300_000.0]), since_s=st.floats(0.5, 20.0),
    lasts_s=st.floats(0.0, 20.0), wrong_trade=st.sampled_from([0.0, 900.0, 60_000.0, HOUR_MS, -HOUR_MS]),
    trade_at=st.integers(0, 400), silent_rest=st.booleans(),
)  # fmt: skip
def test_no_wrong_reading_and_no_single_wrong_trade_moves_the_clock_or_sets_it_back(
    lead: float, rate: float, seed: int, rest: float, since_s: float, lasts_s: float, wrong_trade: float,
    trade_at: int, silent_rest: bool,
) -> None:  # fmt: skip
    """Whatever is wrong for however long, as long as two witnesses remain: at most 50 ms ahead, and never backwards."""
    market, last = Market(lead, rate, seed), 0.0
    wrong_rest = within(since_s * 1000, (since_s + lasts_s) * 1000, rest * rate)
    errors = market.errors(
        20.0, lambda at_ms: wrong_trade * rate if at_ms == trade_at * EVERY_MS else 0.0,
        None if silent_rest else wrong_rest,
    )  # fmt: skip
    for error in errors:
        if error is None:
            assert market.at_ms <= 1000.0  # known within a second
            continue
        assert -260 * rate <= error <= 50 * rate
        shown = error + market.true_ms()
        assert not last or shown >= last
        last = shown


@pytest.mark.parametrize("error", [HOUR_MS, -HOUR_MS, 300_000.0])
def test_a_server_time_that_is_wrong_from_the_start_is_refused(error: float) -> None:
    """Three trades that agree outweigh it; who is not believed is said."""
    market = Market(lead=1e12)
    assert all(-150 <= shown <= 0 for shown in market.run(30.0, rest=lambda _at_ms: error))
    assert (market.clock.doubt, round(market.clock.doubt_ms / 1000)) == ("rest", round(error / 1000))


def test_trades_that_are_all_ahead_from_the_start_are_refused_if_rest_and_the_machine_agree() -> None:
    """The wall clock at the start is the one third witness."""
    market = Market(lead=30.0)
    assert all(abs(shown) <= 10 for shown in market.run(30.0, trades=lambda _at_ms: HOUR_MS))
    assert market.clock.doubt == "trades"


def test_trades_of_the_future_do_not_move_a_clock_that_rest_confirms() -> None:
    """Every trade is a minute ahead for twenty seconds."""
    market = Market(lead=1e12)
    shown = market.run(40.0, trades=within(10_000, 30_000, 60_000.0))
    assert all(abs(error) <= 50 for error in shown)


def test_one_symbol_ahead_of_the_others_does_not_move_the_clock_without_rest() -> None:
    """Two symbols; the one with more trades is wrong."""
    market = Market(lead=1e12)
    shown = []
    for _ in market.errors(20.0, trades=within(5000, 20_000, HOUR_MS), rest=None):
        market.trade(symbol="ETHUSDT")
        if known := market.clock.get(market.at_ms):
            shown.append(known.exchange_ms(market.at_ms) - market.true_ms())
    assert shown
    assert all(-150 <= error <= 0 for error in shown)


def test_without_rest_trades_alone_give_the_clock_within_half_a_second() -> None:
    """418 from the start."""
    market = Market(lead=1e12)
    errors = list(market.errors(30.0, rest=None))
    assert None not in errors[10:]
    assert all(-150 <= error <= 0 for error in errors if error is not None)


def test_a_symbol_that_trades_seldom_leaves_the_clock_to_rest_after_a_second() -> None:
    """The first anchor is REST's then, and the first trades confirm it."""
    market = Market(lead=1e12)
    market.read()
    shown = []
    for _ in range(40):
        shown.append(market.clock.get(market.at_ms))
        market.at_ms += EVERY_MS
    assert shown[19] is None
    assert shown[20] is not None
    assert all(abs(error) <= 10 for error in market.run(10.0))


def test_a_process_that_was_suspended_steps_forward_by_what_both_agree_on() -> None:
    """The monotonic clock stands still in a suspended machine; ten minutes later both witnesses say so."""
    market = Market(lead=1e12)
    market.run(10.0)
    market.lead += 600_000.0
    errors = market.run(10.0)
    assert errors[0] < -599_000
    assert all(abs(error) <= 10 for error in errors[80:])


def test_an_exchange_whose_clock_goes_back_is_waited_for() -> None:
    """Both witnesses agree: the clock runs at a tenth of its speed, for it is never set back."""
    market = Market(lead=1e12)
    market.run(10.0)
    market.lead -= 20_000.0
    errors = market.run(60.0)
    assert errors[0] > 19_000
    assert all(abs(error) <= 1000 for error in errors[-20:])
    shown = market.clock.get(market.at_ms)
    assert shown is not None
    assert shown.exchange_ms(market.at_ms + 1) > shown.exchange_ms(market.at_ms)


def test_small_errors_are_slewed() -> None:
    """An exchange's clock that is corrected by 100 ms: ten seconds at 10 ms a second."""
    market = Market(lead=1e12)
    market.run(10.0)
    market.lead += 100.0
    errors = market.run(20.0)
    assert -100 <= errors[20] < -80
    assert all(abs(error) <= 5 for error in errors[-20:])
    assert all(later - earlier <= EVERY_MS * 0.011 for earlier, later in pairwise(errors))


def test_a_slow_rest_only_sets_bounds() -> None:
    """A round trip of six seconds says little; trades and the clock so far say more."""
    market = Market(lead=1e12)
    market.run(5.0, rest=None)
    market.clock.update_reading(Clock(market.true_ms() + 900.0, market.at_ms, 1.0), 3000.0)
    assert all(-150 <= error <= 0 for error in market.run(20.0, rest=None))


def test_trades_that_come_late_together_do_not_set_the_clock_back() -> None:
    """A burst: for ten seconds every trade is five seconds old, and REST is silent."""
    market = Market(lead=1e12)
    errors = market.run(30.0, trades=within(10_000, 20_000, -5000.0), rest=None)
    assert all(-150 <= error <= 0 for error in errors)
