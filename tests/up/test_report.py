"""Whether a run was as it must be."""

from app.up.report import fault_reasons


def _good() -> dict:  # type: ignore[type-arg]
    seconds = {"collected": 3, "predicted": 3, "settled": {}, "lost": 0, "repeated": 0, "settled_twice": 0}
    return {
        "seconds": seconds,
        "errors": {},
        "restarts": {"worker": 0},
        "models": [{"id": "cold", "kind": "tensorflow", "role": "challenger", "at_s": 0.0}],
    }


def test_a_good_run_has_no_fault_reasons() -> None:
    """A run is ok when nothing was lost, repeated, settled twice, set aside or restarted, and TensorFlow ran."""
    assert fault_reasons(_good()) == []


def test_every_fault_is_a_reason() -> None:
    """Each thing that must not be is said on a line of its own."""
    bad = _good()
    bad["seconds"] |= {"predicted": 2, "lost": 1, "repeated": 4, "settled_twice": 1}
    bad |= {"errors": {"dead_letters": 2}, "restarts": {"worker": 1}, "models": []}
    assert len(fault_reasons(bad)) == 7


def test_a_process_killed_on_purpose_may_restart_once() -> None:
    """--kill worker@60 is not a fault of the worker, and may make it repeat what it had not committed."""
    killed = _good()
    killed["restarts"]["worker"] = 1
    killed["seconds"]["repeated"] = 1
    assert fault_reasons(killed, "worker") == []
