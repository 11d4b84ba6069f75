"""What each fault does to the events on their way out; the table at the end lists them."""

from __future__ import annotations

from collections.abc import Callable

from app.emulator.active_fault import ActiveFault, Outgoing
from app.emulator.id_restarts import IdRestarts
from app.emulator.payload_edits import corrupted, with_ids_moved, with_times_moved


class EventFaults:
    """Applies faults to single events. `restarts` is shared with REST, which must show the same ids."""

    def __init__(self, restarts: IdRestarts) -> None:
        self._restarts = restarts
        self._effects: dict[str, Callable[[ActiveFault, Outgoing, float], bool]] = {
            "restart_ids": self._restart_ids,
            "clock": self._clock,
            "damage_id": self._damage_id,
            "corrupt": self._corrupt,
            "halt": self._drop,
            "delist": self._drop,
            "silence": self._drop,
            "skip": self._drop,
            "duplicate": self._duplicate,
            "reorder": self._hold,
            "burst": self._hold,
        }

    def __contains__(self, kind: object) -> bool:
        return kind in self._effects

    def apply(self, active: ActiveFault, outgoing: Outgoing, now_s: float) -> bool:
        """Apply one fault; return whether the event goes on its way (not: it is held back)."""
        event, fault = outgoing.event, active.fault
        if fault.fault == "clock" and "events" not in fault.targets:
            return True
        if not active.hits(now_s, event.symbol, event.kind):
            return True
        outgoing.faults |= active.bit
        return self._effects[fault.fault](active, outgoing, now_s)

    def released(self, active: ActiveFault, now_s: float) -> list[Outgoing]:
        """Return what the fault no longer holds back: all when it is over, full windows of `reorder` before."""
        out: list[Outgoing] = []
        for stream, held in list(active.held.items()):
            full = active.fault.fault == "reorder" and len(held) >= active.fault.window
            if full or active.is_over(now_s):
                out += _shuffled(active, held) if active.fault.fault == "reorder" else held
                del active.held[stream]
        return out

    def _restart_ids(self, active: ActiveFault, outgoing: Outgoing, _now_s: float) -> bool:
        event = outgoing.event
        by = self._restarts.offset(event.symbol, event.kind, event.key, active.fault.first_id)
        outgoing.event = with_ids_moved(event, by)
        outgoing.key = outgoing.event.key  # the exchange itself counts anew: this is the true id
        return True

    def _clock(self, active: ActiveFault, outgoing: Outgoing, now_s: float) -> bool:
        outgoing.event = with_times_moved(outgoing.event, active.clock_offset_ms(now_s))
        return True

    def _damage_id(self, active: ActiveFault, outgoing: Outgoing, _now_s: float) -> bool:
        outgoing.event = with_ids_moved(outgoing.event, active.fault.by)
        return True

    def _corrupt(self, active: ActiveFault, outgoing: Outgoing, _now_s: float) -> bool:
        outgoing.event = corrupted(outgoing.event, active.random)
        return True

    def _drop(self, _active: ActiveFault, outgoing: Outgoing, _now_s: float) -> bool:
        outgoing.copies = 0
        return True

    def _duplicate(self, active: ActiveFault, outgoing: Outgoing, _now_s: float) -> bool:
        outgoing.copies *= active.fault.copies
        return True

    def _hold(self, active: ActiveFault, outgoing: Outgoing, _now_s: float) -> bool:
        active.held.setdefault(outgoing.event.stream, []).append(outgoing)
        return False


def _shuffled(active: ActiveFault, held: list[Outgoing]) -> list[Outgoing]:
    """Return the events in another order than they came, if there are two."""
    out = active.random.sample(held, len(held))
    return out[::-1] if out == held else out
