"""Plain language."""

import math

import pytest
from msgspec.structs import replace

from app.dashboard import formatting
from app.records import Score
from tests.dashboard.feed import score


def row(**changes: float) -> Score:
    """Return a score of the TensorFlow model as the board shows it."""
    return score("BTCUSDT", "tf-1", "tensorflow", "champion", 5, **changes)


def test_skill_is_claimed_only_when_the_interval_and_the_p_value_say_so() -> None:
    """A positive interval and a small p-value make a good verdict."""
    tone, sentence = formatting.verdict(row(skill=0.03, skill_low=0.01, skill_high=0.05, p_value=0.001), 5)
    assert tone == "good"
    assert "has skill" in sentence


def test_no_skill_is_said_aloud() -> None:
    """An interval around zero is called no skill now."""
    tone, sentence = formatting.verdict(row(skill=0.001, skill_low=-0.01, skill_high=0.012, p_value=0.4), 60)
    assert tone == "warn"
    assert sentence.startswith("No skill now")


def test_a_small_p_value_alone_is_not_enough() -> None:
    """The interval has to agree."""
    assert formatting.verdict(row(skill=0.01, skill_low=-0.001, skill_high=0.02, p_value=0.01), 5)[0] == "warn"


def test_worse_than_naive_is_said_aloud() -> None:
    """An interval below zero is worse than naive."""
    tone, sentence = formatting.verdict(row(skill=-0.1, skill_low=-0.2, skill_high=-0.05, p_value=0.99), 5)
    assert (tone, "worse than naive" in sentence) == ("bad", True)


def test_few_outcomes_make_no_verdict() -> None:
    """Before enough outcomes nothing is claimed."""
    assert "too early" in formatting.verdict(row(weight=20.0), 300)[1]
    assert "too early" in formatting.verdict(row(skill_low=-1.0, skill_high=1.0), 300)[1]


def test_the_naive_champion_is_not_compared_with_itself() -> None:
    """When naive serves, the sentence says why."""
    known = replace(row(), kind="naive", model="naive")
    assert "the naive forecast serves" in formatting.verdict(known, 5)[1]


def test_nothing_settled_yet_is_said() -> None:
    """Without a score there is a sentence all the same."""
    assert formatting.verdict(None, 300) == ("dim", "Nothing forecast 300 s ahead has been settled yet.")


@pytest.mark.parametrize(
    ("ready", "reason", "collected", "said"),
    [
        (False, "Kafka at x: refused", 0, "Waiting for Kafka: Kafka at x: refused."),
        (False, "", 0, "Filling the board"),
        (True, "", 0, "has not delivered anything yet"),
        (True, "", 12, "the collector has delivered 12 seconds of 1 symbol(s)"),
    ],
)
def test_waiting_says_what_is_missing(ready: bool, reason: str, collected: int, said: str) -> None:
    """Each stage of the start has its own line."""
    assert said in formatting.waiting(ready, reason, collected, 1)


@pytest.mark.parametrize("value", [None, math.nan, math.inf])
def test_what_does_not_exist_is_a_dash(value: float | None) -> None:
    """No page ever shows nan."""
    assert formatting.number(value) == formatting.price(value) == formatting.basis_points(value) == formatting.DASH


def test_sources_have_names_people_know() -> None:
    """Live, emulator and replay have different names."""
    assert formatting.source("live", 1.0) == "live Binance"
    assert formatting.source("synthetic-7", 1.0) == "emulator synthetic-7"
    assert formatting.source("replay-day", 20.0) == "replay day, 20× speed"


def test_every_flag_of_the_wire_is_explained() -> None:
    """The board's flags and the explanations are the same set."""
    from app.board.history import FLAGS

    assert set(formatting.FLAGS) == set(FLAGS)


def test_roles_of_tensorflow_are_told() -> None:
    """Champion, challenger and absence read differently."""
    assert "it is the TensorFlow model" in formatting.model_line("champion", "tf-1")
    assert "challenger" in formatting.model_line("challenger", "naive")
    assert formatting.model_line("none", None) == "No model serves yet."
