"""How long a broker waits before it stops."""

import pytest

from app.kafka_monitor.before_stop import LONGEST_S, NOTICE_S, SILENT_S, WHOLE_S, BeforeStop
from app.kafka_monitor.broker_view import BrokerView, PartitionState, Quorum
from app.kafka_monitor.monitor import Monitor
from app.settings import Settings

ALL = frozenset({0, 1, 2})
WHOLE = Quorum(100, {100: 0.0, 101: 0.2, 102: 0.1})
ONE_AWAY = Quorum(100, {100: 0.0, 101: 0.2, 102: 9.0})
ANOTHER_LEADER = Quorum(101, {100: 0.0, 101: 0.0, 102: 0.1}, epoch=1)
NO_MAJORITY = Quorum(100, {100: 0.0, 101: 9.0, 102: 9.0})


def _view(isr: frozenset[int] = ALL, replicas: frozenset[int] = ALL) -> BrokerView:
    return BrokerView(0, replicas, [PartitionState("t", 0, 0, replicas, isr, min(2, len(replicas)))])


class Cluster:
    """A monitor that is told what it would have asked, second by second."""

    def __init__(self) -> None:
        self.now_s = 1000.0
        self.monitor = Monitor(Settings(kafka_url="broker:9092", instance="b-0"), lambda: self.now_s)
        self.view: BrokerView | None = _view()
        self.quorum: Quorum | None = WHOLE

    def run(self, seconds: float) -> None:
        """Let time pass."""
        for _ in range(round(seconds)):
            self.now_s += 1
            self.monitor.update_view(self.view, "" if self.view else "refused")
            self.monitor.update_quorum(self.quorum)

    def asks(self) -> BeforeStop:
        """Ask whether the broker may stop."""
        return BeforeStop(self.monitor, lambda: self.now_s)

    def waits_s(self) -> float:
        """Return how long the broker waits from now on."""
        waiting, began_s = self.asks(), self.now_s
        while not waiting.go_reason():
            self.run(1)
        return self.now_s - began_s


@pytest.fixture
def cluster() -> Cluster:
    """Return a cluster that has been whole for ten minutes."""
    found = Cluster()
    found.run(600)
    return found


def test_where_all_is_well_it_waits_until_a_controller_that_stops_too_would_be_missed(cluster: Cluster) -> None:
    """No longer, so that a roll of brokers alone is not slow."""
    assert cluster.waits_s() == NOTICE_S


def test_it_waits_while_another_replica_is_out_of_sync(cluster: Cluster) -> None:
    """Stopping now would leave one of two replicas that each write needs."""
    cluster.view = _view(isr=frozenset({0, 1}))
    cluster.run(1)
    waiting = cluster.asks()
    cluster.run(60)
    assert waiting.go_reason() == ""
    cluster.view = _view()
    cluster.run(1)
    assert waiting.go_reason()


def test_controllers_that_are_restarted_with_it_finish_first(cluster: Cluster) -> None:
    """Each is away for a while, with a pause between two; the broker waits for the last one."""
    waiting = cluster.asks()
    for _controller in range(3):
        for quorum, seconds in ((WHOLE, 4), (ONE_AWAY, 15), (WHOLE, 12)):
            cluster.quorum = quorum
            for _ in range(seconds):
                assert waiting.go_reason() == ""
                cluster.run(1)
    assert cluster.monitor.whole_s() < WHOLE_S
    cluster.run(WHOLE_S)
    assert waiting.go_reason()


def test_an_election_between_two_questions_is_noticed(cluster: Cluster) -> None:
    """The leader before has restarted, however quickly: the next controller is about to."""
    cluster.quorum = ANOTHER_LEADER
    cluster.run(1)
    assert WHOLE_S - 1 <= cluster.waits_s() <= WHOLE_S


def test_it_waits_no_longer_than_its_bound(cluster: Cluster) -> None:
    """Then it goes with the reason that is left, well before the kubelet would kill it."""
    cluster.view = _view(isr=frozenset({0, 1}))
    cluster.run(1)
    assert cluster.waits_s() == LONGEST_S
    waiting = cluster.asks()
    cluster.run(LONGEST_S)
    assert "too few other replicas" in waiting.go_reason()


@pytest.mark.parametrize("quorum", [None, NO_MAJORITY])
def test_it_goes_when_the_controllers_have_gone(cluster: Cluster, quorum: Quorum | None) -> None:
    """All goes away together; an election is shorter than this wait."""
    cluster.quorum = quorum
    assert SILENT_S - 1 <= cluster.waits_s() <= SILENT_S


def test_it_goes_when_the_broker_does_not_answer(cluster: Cluster) -> None:
    """What is known is too old to wait for."""
    cluster.view = None
    assert cluster.waits_s() <= SILENT_S


def test_it_goes_at_once_when_nothing_was_ever_learnt() -> None:
    """A broker that never answered has nothing to hand over."""
    assert Cluster().waits_s() == 0


def test_a_broker_without_others_goes_at_once(cluster: Cluster) -> None:
    """Nobody could take over."""
    cluster.view = _view(isr=frozenset({0}), replicas=frozenset({0}))
    cluster.quorum = Quorum(100, {100: 0.0})
    cluster.run(1)
    assert cluster.waits_s() == 0
