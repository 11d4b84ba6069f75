"""Compare a recorder's clock with the exchange's: no message can be received before it was made."""

from __future__ import annotations

from dataclasses import dataclass

NOTABLE = 0.01  # share of messages received before they were made


@dataclass(slots=True)
class RecorderClock:
    """How many messages of a file were received before their own event time, by the recorder's clock."""

    file: str
    messages: int = 0
    early: int = 0
    most_ms: float = 0.0  # earliest receipt before the event time

    def update(self, received_us: int, event_ms: int) -> None:
        """Learn from a message with an event time."""
        ahead_ms = event_ms - received_us / 1000
        self.messages += 1
        if ahead_ms > 0:
            self.early += 1
            self.most_ms = max(self.most_ms, ahead_ms)

    def behind_reason(self) -> str:
        """Return what shows that the clock ran behind, "" if nothing does."""
        if self.early <= NOTABLE * self.messages:
            return ""
        return (
            f"{self.early} of {self.messages} messages received before their event time, by up to {self.most_ms:.0f} ms"
        )
