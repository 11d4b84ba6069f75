"""What an unattended run says of itself."""

from app.up.report import RunRecord, reasons


def _good() -> dict:  # type: ignore[type-arg]
    seconds = {"collected": 3, "predicted": 3, "settled": {}, "lost": 0, "repeated": 0, "settled_twice": 0}
    return {
        "seconds": seconds,
        "errors": {},
        "restarts": {"worker": 0},
        "models": [{"id": "cold", "kind": "tensorflow", "role": "challenger", "at_s": 0.0}],
    }


def test_a_second_without_a_prediction_is_lost() -> None:
    """Holes count between the first and the last collected second, whether the hole is in the ticks or behind them."""
    found = RunRecord()
    for second in (10, 11, 13):
        found.collected[second] = {0, 1}
    found.predicted |= {10: {0, 1}, 11: {0}, 13: {0, 1}}
    seconds = found.seconds()
    assert (seconds["collected"], seconds["predicted"], seconds["lost"]) == (3, 2, 2)


def test_a_pair_the_worker_counted_but_did_not_publish_was_settled_twice() -> None:
    """The worker's own running count and the distinct pairs in the topic must be the same."""
    found = RunRecord()
    found.collected[1] = found.predicted[1] = {0}
    found.settled["5"], found.counted["5"] = 100, 101
    assert found.seconds()["settled_twice"] == 1


def test_a_good_run_has_no_reasons() -> None:
    """A run is ok when nothing was lost, repeated, settled twice, set aside or restarted, and TensorFlow ran."""
    assert reasons(_good()) == []


def test_every_fault_is_a_reason() -> None:
    """Each thing that must not be is said on a line of its own."""
    bad = _good()
    bad["seconds"] |= {"predicted": 2, "lost": 1, "repeated": 4, "settled_twice": 1}
    bad |= {"errors": {"dead_letters": 2}, "restarts": {"worker": 1}, "models": []}
    assert len(reasons(bad)) == 7


def test_a_process_killed_on_purpose_may_restart_once() -> None:
    """--kill worker@60 is not a fault of the worker, and may make it repeat what it had not noted."""
    killed = _good()
    killed["restarts"]["worker"] = 1
    killed["seconds"]["repeated"] = 1
    assert reasons(killed, "worker") == []
