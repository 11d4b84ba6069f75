"""How tables come back after a rebalance, without losing what arrives meanwhile. What leaves: a Faust table manager.

When recovery is over, Faust resumes the stream partitions, seeks them to the committed offsets, and only then resumes
the flow, which empties the agents' queues. If the flow was running already (a changelog was read, a standby is kept),
messages read between the seek and that moment are thrown away, counted as a gap, and committed. So here the flow stops
before the seek.
"""

from typing import Any

from faust.tables.manager import TableManager
from faust.tables.recovery import Recovery


class StillRecovery(Recovery):
    """A recovery during whose last step nothing flows."""

    async def on_recovery_completed(self, generation_id: int = 0) -> None:
        """Stop the flow; Faust's own step then seeks, and resumes it."""
        self.app.consumer.stop_flow()
        self.app.flow_control.suspend()
        await super().on_recovery_completed(generation_id)


class StillTableManager(TableManager):
    """A table manager with a still recovery."""

    _recovery: Any = None

    @property
    def recovery(self) -> Any:
        """The recovery, built when first asked for."""
        if self._recovery is None:
            self._recovery = StillRecovery(self.app, self, beacon=self.beacon, loop=self.loop)
        return self._recovery
