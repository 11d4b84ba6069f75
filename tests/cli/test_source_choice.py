"""Which source a reading command takes."""

from pathlib import Path

import pytest

from app.cli.source_choice import SourceChoiceError, choose, with_source
from app.settings import Settings
from app.up.local_sources import LocalSource

LIVE, SEVEN = LocalSource(Path(".btc/live"), "live"), LocalSource(Path(".btc/synthetic-7"), "synthetic-7")
RUNNING = LocalSource(Path(".btc/synthetic-7"), "synthetic-7", "127.0.0.1:9092")
UNATTENDED = LocalSource(Path(".btc/runs/synthetic-7-20261122-101500"), "synthetic-7", "127.0.0.1:40001")


def test_the_source_that_runs_is_chosen() -> None:
    """Whatever else is stored, and both for its folder and for its Kafka."""
    assert choose([LIVE, RUNNING], running_only=False) == RUNNING
    assert choose([LIVE, RUNNING], running_only=True) == RUNNING


def test_the_only_stored_source_is_chosen_when_none_runs() -> None:
    """Its archive can be read without Kafka; its Kafka cannot be used."""
    assert choose([SEVEN], running_only=False) == SEVEN
    assert choose([SEVEN], running_only=True) is None


def test_several_stored_sources_are_listed_in_one_line() -> None:
    """The user reads their names and the option that chooses."""
    with pytest.raises(SourceChoiceError) as caught:
        choose([LIVE, SEVEN], running_only=False)
    assert str(caught.value) == "2 sources are stored here: live, synthetic-7; choose one with --source NAME"


def test_several_that_run_are_listed_in_one_line() -> None:
    """An attended and an unattended run of one source are told apart by their folders' names."""
    with pytest.raises(SourceChoiceError, match="2 sources run here: synthetic-7, synthetic-7-20261122-101500;"):
        choose([RUNNING, UNATTENDED], running_only=True)


@pytest.mark.parametrize("name", ["synthetic-7", "synthetic:7"])
def test_a_name_chooses_even_against_one_that_runs(name: str) -> None:
    """As its folder is called, or as it was typed after `btc up --exchange`."""
    running = LocalSource(Path(".btc/live"), "live", "127.0.0.1:9092")
    assert choose([running, SEVEN], name, running_only=False) == SEVEN


def test_a_source_s_name_finds_its_unattended_run() -> None:
    """Such a run's folder has the time in its name."""
    assert choose([LIVE, UNATTENDED], "synthetic-7", running_only=True) == UNATTENDED
    assert choose([LIVE, UNATTENDED], UNATTENDED.name, running_only=False) == UNATTENDED


def test_a_name_that_is_not_there_is_refused_in_one_line() -> None:
    """The user reads which are there."""
    with pytest.raises(SourceChoiceError, match=r"no source 'kraken' is stored here \(is stored: live\)"):
        choose([LIVE], "kraken", running_only=False)
    with pytest.raises(SourceChoiceError, match=r"no source 'live' runs here \(runs: none\): start it with `btc up`"):
        choose([LIVE], "live", running_only=True)


def test_without_any_source_the_settings_stay() -> None:
    """A cluster has none of these folders."""
    assert choose([], running_only=False) is None


def test_variables_of_the_environment_win() -> None:
    """BTC_DATA_DIR and BTC_KAFKA_URL are what the user said explicitly."""
    found = with_source(Settings(data_dir=Path("mine")), RUNNING)
    assert (found.data_dir, found.kafka_url, found.source) == (Path("mine"), "127.0.0.1:9092", "synthetic-7")
    found = with_source(Settings(kafka_url="kafka:9092"), RUNNING)
    assert (found.data_dir, found.kafka_url) == (Path(".btc/synthetic-7"), "kafka:9092")
