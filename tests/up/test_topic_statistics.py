"""The counts of a run."""

from app.up.topic_statistics import TopicStatistics


def test_a_second_without_a_prediction_is_lost() -> None:
    """Holes count between the first and the last collected second, whether the hole is in the ticks or behind them."""
    found = TopicStatistics()
    for second in (10, 11, 13):
        found.collected[second] = {0, 1}
    found.predicted |= {10: {0, 1}, 11: {0}, 13: {0, 1}}
    seconds = found.seconds()
    assert (seconds["collected"], seconds["predicted"], seconds["lost"]) == (3, 2, 2)


def test_a_pair_the_worker_counted_but_did_not_publish_was_settled_twice() -> None:
    """The worker's own running count and the distinct pairs in the topic must be the same."""
    found = TopicStatistics()
    found.collected[1] = found.predicted[1] = {0}
    found.settled["5"], found.settled_total["5"] = 100, 101
    assert found.seconds()["settled_twice"] == 1
