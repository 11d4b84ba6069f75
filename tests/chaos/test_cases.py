"""Cases: every kind of fault, and mixtures that a seed repeats."""

from app.emulator.fault import KINDS
from benchmarks.chaos.cases import SYMBOLS, clock_cases, described, mixture, mixtures, singles


def test_every_kind_of_fault_is_run_by_itself() -> None:
    """Also one that is added to the emulator later: this fails until it has a case."""
    assert {fault.fault for case in singles() for fault in case.faults} == set(KINDS)


def test_every_case_has_a_name_of_its_own_and_an_end() -> None:
    """A run is bounded: only restarted ids stay, and what acts once."""
    everything = [*singles(), *clock_cases()]
    assert len({case.key for case in everything}) == len(everything)
    endless = {fault.fault for case in everything for fault in case.faults if not (fault.seconds or fault.count)}
    assert endless == {"restart_ids", "disconnect", "server_shutdown"}


def test_a_mixture_is_repeated_by_its_seed() -> None:
    """`--only mixture --seed 3` is the third of the two hundred."""
    many = mixtures(200, 0)
    assert many[3] == mixture(3)
    assert len({case.faults for case in many}) == 200


def test_ids_restart_at_most_once_in_a_mixture() -> None:
    """The emulator moves ids again that a second restart finds moved already."""
    restarts = [sum(fault.fault == "restart_ids" for fault in case.faults) for case in mixtures(200, 0)]
    assert max(restarts) == 1


def test_a_fault_is_described_by_what_was_given() -> None:
    """Names and values, as in a scenario file."""
    alone = {case.name: case for case in singles()}
    (fault,) = alone["silence of one symbol"].faults
    assert described(fault) == f"silence seconds=8 symbols={SYMBOLS[0]}"
