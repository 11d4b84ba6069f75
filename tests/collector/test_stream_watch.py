"""Usual gaps of streams, kept over reconnects, and the alarms of streams that are silent beyond them."""

import random

from app.collector.stream_watch import StreamWatch, UsualGap, stream_of

BUSY, SELDOM = "btcusdt@aggTrade", "xyzusdt@aggTrade"


def frame(stream: str) -> str:
    """Return a frame of a stream."""
    return f'{{"stream":"{stream}","data":{{}}}}'


def after_gaps(gap_s: float, times: int = 200) -> UsualGap:
    """Return what is learned from frames at a steady rate."""
    gap = UsualGap()
    for _ in range(times):
        gap.update(gap_s)
    return gap


def test_a_connection_is_lost_after_fifty_usual_gaps_within_bounds_and_a_quiet_one_after_ten() -> None:
    """Thirty frames a second, two a second, one every 40 s, one a day."""
    limits = [round(after_gaps(gap_s).idle_limit_s(), 3) for gap_s in (1 / 30, 0.5, 40.0, 86_400.0)]
    assert limits == [5.0, 25.0, 400.0, 600.0]


def test_a_connection_without_any_frame_has_five_seconds_and_its_successors_twice_as_long_each() -> None:
    """So a symbol with a message every 40 s costs four connections once, and not a thousand a day."""
    watch = StreamWatch([SELDOM])
    limits = []
    for watch.silences in range(9):
        limits.append(watch.idle_limit_s())
    assert limits == [5.0, 10.0, 20.0, 40.0, 80.0, 160.0, 320.0, 600.0, 600.0]


def hours_of(
    watch: StreamWatch, rng: random.Random, hours: float, silent: tuple[float, float] = (0.0, 0.0)
) -> list[int]:
    """Play a busy stream and one with a message every 40 s (Poisson); return the second's alarms, each its number."""
    alarms, next_s = list[int](), rng.expovariate(1 / 40)
    for now_s in range(1, int(hours * 3600)):
        watch.update(frame(BUSY), float(now_s), now_s * 1000.0)
        while next_s <= now_s:
            if not silent[0] <= now_s < silent[1]:
                watch.update(frame(SELDOM), float(now_s), now_s * 1000.0)
            next_s += rng.expovariate(1 / 40)
        stuck = watch.stuck(float(now_s))
        assert BUSY not in stuck
        alarms += stuck.values()
    return alarms


def test_a_quiet_stream_is_not_stuck_for_being_quiet() -> None:
    """One message every 40 s on average, ten seeds of six hours: one false alarm at most, and no new connection."""
    for seed in range(10):
        watch = StreamWatch([BUSY, SELDOM])
        watch.up(0.0)
        assert hours_of(watch, random.Random(seed), 6.0) in ([], [1])


def test_a_quiet_stream_that_died_is_found_by_its_own_gap() -> None:
    """It is silent from the second hour on, for an hour."""
    watch = StreamWatch([BUSY, SELDOM])
    watch.up(0.0)
    assert hours_of(watch, random.Random(1), 3.0, silent=(7200, 10_800))


def busy(watch: StreamWatch, start_s: int, end_s: int, streams: tuple[str, ...]) -> list[tuple[int, dict[str, int]]]:
    """Play each stream ten times a second; return the alarms with their seconds."""
    alarms = []
    for now_s in range(start_s, end_s):
        for tenth in range(10):
            for stream in streams:
                watch.update(frame(stream), now_s + tenth / 10, (now_s + tenth / 10) * 1000)
        if stuck := watch.stuck(float(now_s + 1)):
            alarms.append((now_s + 1, stuck))
    return alarms


def test_a_busy_stream_that_stops_while_others_go_on_is_found_in_ten_seconds_then_less_and_less_often() -> None:
    """And the end of its silence is told as an outage."""
    told: list[tuple[tuple[str, ...], float, float, str]] = []
    watch = StreamWatch([BUSY, SELDOM], on_outage=lambda *outage: told.append(outage))
    watch.up(0.0)
    assert busy(watch, 0, 60, (BUSY, SELDOM)) == []
    assert busy(watch, 60, 160, (BUSY,)) == [
        (70, {SELDOM: 1}), (80, {SELDOM: 2}), (100, {SELDOM: 3}), (140, {SELDOM: 4})
    ]  # fmt: skip
    assert told == []
    busy(watch, 160, 161, (BUSY, SELDOM))
    assert told == [((SELDOM,), 59_900.0, 160_000.0, "stuck stream")]
    assert watch.states[SELDOM].gap.longest_s < 11  # the fault did not make it look quiet


def test_what_was_learned_survives_a_reconnect_and_the_outage_is_not_learned() -> None:
    """The limit per connection forgot everything before."""
    watch = StreamWatch([BUSY, SELDOM])
    watch.up(0.0)
    for at_s in range(0, 1000, 40):
        watch.update(frame(SELDOM), float(at_s), at_s * 1000.0)
    watch.down("ConnectionClosedError", 1_000_000.0)
    watch.up(2000.0)
    watch.update(frame(SELDOM), 2030.0, 2_030_000.0)
    gap = watch.states[SELDOM].gap
    assert (gap.mean_s, gap.longest_s, gap.stuck_limit_s()) == (40.0, 40.0, 800.0)


def test_a_silent_connection_and_symbols_that_do_not_trade_raise_no_alarm_of_single_streams() -> None:
    """The first is the connection's matter, the second the exchange's."""
    watch = StreamWatch([BUSY, SELDOM])
    watch.up(0.0)
    busy(watch, 0, 60, (BUSY, SELDOM))
    assert all(watch.stuck(float(now_s)) == {} for now_s in range(66, 200))
    watch.ignored = frozenset({"XYZUSDT"})
    assert busy(watch, 200, 260, (BUSY,)) == []


def test_the_silence_of_a_connection_is_told_as_an_outage_of_its_streams() -> None:
    """From the last frame to the next one, whichever connection it comes on."""
    told: list[tuple[tuple[str, ...], float, float, str]] = []
    watch = StreamWatch([BUSY, SELDOM], on_outage=lambda *outage: told.append(outage))
    watch.up(0.0)
    watch.update(frame(BUSY), 1.0, 1000.0)
    watch.silent()
    watch.silent()
    watch.update(frame(BUSY), 21.0, 21_000.0)
    assert told == [((BUSY, SELDOM), 1000.0, 21_000.0, "silence")]


def test_a_stream_is_down_until_a_connection_carries_it() -> None:
    """For those who carry its values on."""
    watch = StreamWatch([BUSY])
    assert not watch.states[BUSY].is_up
    watch.up(1.0)
    assert watch.states[BUSY].is_up
    watch.down("silence", 2000.0)
    assert not watch.states[BUSY].is_up


def test_the_stream_of_a_frame_is_read_without_decoding_it() -> None:
    """Text and bytes, and what is no frame of a stream."""
    assert stream_of(frame(BUSY)) == stream_of(frame(BUSY).encode()) == BUSY
    assert [stream_of(raw) for raw in ("", b"\xff", '{"result":null}', '{"stream":"')] == [None, None, None, ""]
