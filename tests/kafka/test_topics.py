"""The map of the topic_specs."""

from app.kafka import topics
from app.settings import Settings


def test_symbols_keep_their_partition_for_ever() -> None:
    """The hash is Kafka's own, so a symbol's partition is the same on every machine and in every release."""
    homes = {symbol: topics.partition_of(symbol, 8) for symbol in ("BTCUSDT", "ETHUSDT", "NKNUSDT", "BLZETH")}
    assert homes == {"BTCUSDT": 2, "ETHUSDT": 5, "NKNUSDT": 1, "BLZETH": 7}


def test_symbols_are_grouped_in_order() -> None:
    """A partition without symbols is not in the map."""
    grouped = topics.by_partition(("NKNUSDT", "BTCUSDT", "ETHUSDT"), 8)
    assert grouped == {1: ("NKNUSDT",), 2: ("BTCUSDT",), 5: ("ETHUSDT",)}


def test_the_topics_of_the_walk_are_copartitioned() -> None:
    """Whatever belongs to a symbol has one partition count; the others have one partition."""
    settings = Settings(partitions=5)
    counts = {spec.name: spec.partitions(settings) for spec in topics.ALL}
    walk = ("ticks", "backfill", "gaps", "features", "predictions", "outcomes")
    assert counts == {**dict.fromkeys(walk, 5), "models": 1, "status": 1, "dead": 1}


def test_models_are_compacted_and_never_expire() -> None:
    """The registry is a topic: nothing in it may be lost to time."""
    config = topics.MODELS.broker_config(Settings())
    assert config["cleanup.policy"] == "compact"
    assert config["retention.ms"] == "-1"
