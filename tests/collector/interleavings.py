"""Owners of one partition, interleaved by a seed: every await of an owner ends when the schedule says so.

The decisions are the collector's own: `fence_off`, `resume`, `TickBatcher`, `tail_of`, `refusal_reason`. Simulated are
the log, whose appends and acknowledgements come late, the group, and time. An owner may be suspended at any await
(SIGSTOP) and woken later, or killed, while its last sends still travel.
"""

import asyncio
from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass, field
from random import Random

from aiokafka.errors import CommitFailedError

from app.collector.fencing import fence_off
from app.collector.group_membership import GroupMembership
from app.collector.takeover import resume
from app.collector.ticks_log import TicksLog
from app.domain.acceptance import fence, refusal_reason
from app.domain.tick_batcher import TickBatcher
from app.domain.ticks import Trade
from app.records import TickBatch

SYMBOL, FIRST_SECOND, TRADES_PER_S = "BTCUSDT", 100, 3
Acknowledged = asyncio.Future[int]


@dataclass
class World:
    """The partition's log, the group and the exchange's time, as the schedule moves them."""

    random: Random
    log: list[TickBatch] = field(default_factory=list)
    now_s: int = FIRST_SECOND + 1
    generation: int = 0  # of the group
    member: int = 0  # the one that the group assigned the partition to last

    def trades(self, next_id: int) -> list[Trade]:
        """Return the trades from an id up to now, but for the last ones: they are late, differently for each owner."""
        stop = self.now_s * TRADES_PER_S - self.random.randrange(TRADES_PER_S)
        return [Trade(SYMBOL, trade_id, trade_id * 1000 // TRADES_PER_S, 1.0, 1.0, True)
                for trade_id in range(next_id, stop)]  # fmt: skip


class Owner(TicksLog, GroupMembership):
    """One replica that the partition was assigned to, with its connections to log and group; `run` is a task."""

    def __init__(self, world: World, member: int, generation: int) -> None:
        self.world, self.member, self._generation = world, member, generation
        self.turns: deque[asyncio.Future[None]] = deque()  # awaits that the schedule ends
        self.travelling: deque[tuple[TickBatch, Acknowledged]] = deque()
        self.suspended = False
        self.written_to_s = 0  # seconds before it are acknowledged
        self.task = asyncio.create_task(self.run())

    async def run(self) -> None:
        """Take the partition over and write its seconds; ends when the group says that it is no longer a member."""
        tail, generation = await fence_off(0, self, self)
        if tail is None:
            batcher = TickBatcher(0, (SYMBOL,), FIRST_SECOND)
            next_id = FIRST_SECOND * TRADES_PER_S
        else:
            batcher = resume(0, (SYMBOL,), tail, tail.second + 1, 1.0)
            next_id = tail.last_ids[SYMBOL] + 1
        while True:
            await self._turn()
            for trade in self.world.trades(next_id):
                batcher.add(trade)
                next_id = trade.id + 1
            due = list[TickBatch]()
            while batcher.is_closable(self.world.now_s * 1000.0, 0.0):
                due.append(batcher.close(0.0, generation))
            await self.write(due)
            self.written_to_s = batcher.second

    # ── the log ───────────────────────────────────────────────────────────────────────────────────────────────

    async def write(self, batches: Iterable[TickBatch]) -> None:
        """Send batches in order and wait for all acknowledgements."""
        for acknowledged in [self._travel(batch) for batch in batches]:
            await acknowledged

    async def write_fence(self, partition: int, generation: int) -> int:
        """Send a fence and wait for its offset."""
        await self._turn()
        return await self._travel(fence(partition, generation, 0.0))

    async def read_newest(self, partition: int, before: int | None = None) -> list[TickBatch]:
        """Read at one moment; the answer takes its time."""
        await self._turn()
        found = self.world.log[:before]
        await self._turn()
        return found

    def _travel(self, batch: TickBatch) -> Acknowledged:
        acknowledged: Acknowledged = asyncio.get_running_loop().create_future()
        self.travelling.append((batch, acknowledged))
        return acknowledged

    def append(self) -> None:
        """Let the next batch that travels reach the log; its acknowledgement comes some turns later."""
        batch, acknowledged = self.travelling.popleft()
        self.world.log.append(batch)
        offset = len(self.world.log) - 1

        def acknowledge(_: object) -> None:
            if not acknowledged.done():  # the owner was killed
                acknowledged.set_result(offset)

        self._next_turn().add_done_callback(acknowledge)

    # ── the group ─────────────────────────────────────────────────────────────────────────────────────────────

    @property
    def generation(self) -> int:
        """The group's generation when the partition was assigned."""
        return self._generation

    async def confirm(self) -> None:
        """Ask the group at one moment; the answer takes its time."""
        await self._turn()
        is_member = self.member == self.world.member
        await self._turn()
        if not is_member:
            raise CommitFailedError

    async def _turn(self) -> None:
        await self._next_turn()

    def _next_turn(self) -> asyncio.Future[None]:
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.turns.append(turn)
        return turn


class Schedule:
    """The order of everything, drawn from a seed: `run`, then look at the log."""

    def __init__(self, seed: int) -> None:
        self.random = Random(seed)
        self.world = World(self.random)
        self.owners: list[Owner] = []
        self.unrest = self.random.choice((0.01, 0.03, 0.06))
        if self.random.random() < 0.5:  # a group that was made anew: its generations start again
            self.world.log.append(fence(0, 40, 0.0))

    async def run(self, turns: int = 400) -> list[TickBatch]:
        """Interleave owners for so many turns, then wake all, and let the last one write what is due."""
        self._assign()
        for _ in range(turns):
            self._act()
            await self._settle()
        self._assign()
        for owner in self.owners:
            owner.suspended = False
            self._notice(owner)
        while any(owner.travelling for owner in self.owners) or not self._is_up_to_date():
            self._move(self.random.choice(self.owners))
            await self._settle()
        for owner in self.owners:
            owner.task.cancel()
        ended = await asyncio.gather(*(owner.task for owner in self.owners), return_exceptions=True)
        assert {type(end) for end in ended} <= {CommitFailedError, asyncio.CancelledError}, ended
        return self.world.log

    def _is_up_to_date(self) -> bool:
        return self.owners[-1].written_to_s == self.world.now_s

    def _act(self) -> None:
        draw, owner = self.random.random(), self.random.choice(self.owners[-3:])
        if draw < self.unrest:
            self._assign()
        elif draw < 3 * self.unrest and (owner.suspended or not owner.written_to_s):
            owner.suspended = not owner.suspended  # most of them while they take over
        elif draw < 3.5 * self.unrest:
            owner.suspended = not owner.suspended
        elif draw < 3.7 * self.unrest:
            self._kill(owner)
        elif draw < 4.2 * self.unrest:
            self._notice(owner)
        elif draw < 0.3:
            self.world.now_s += 1
        else:
            self._move(owner)

    def _assign(self) -> None:
        # A static member that comes back within its session keeps the group's generation.
        self.world.generation += self.random.random() < 0.5
        self.world.member += 1
        self.owners.append(Owner(self.world, self.world.member, self.world.generation))

    def _notice(self, owner: Owner) -> None:
        """Let an owner that runs learn that it is no longer a member; what it has sent still travels."""
        if owner.member != self.world.member and not owner.suspended:
            owner.task.cancel()
            owner.turns.clear()

    def _kill(self, owner: Owner) -> None:
        owner.task.cancel()
        owner.turns.clear()
        for _ in range(self.random.randint(0, len(owner.travelling))):
            owner.travelling.pop()

    def _move(self, owner: Owner) -> None:
        """Let a batch arrive, also one of a process that is suspended or dead, or end an await."""
        if owner.travelling and self.random.random() < 0.5:
            owner.append()
        elif owner.turns and not owner.suspended:
            owner.turns.popleft().set_result(None)

    async def _settle(self) -> None:
        for _ in range(4):
            await asyncio.sleep(0)


def as_read(log: list[TickBatch]) -> list[TickBatch]:
    """Return the batches that a reader accepts."""
    kept: list[TickBatch] = []
    generation = 0
    for batch in log:
        refusal = refusal_reason(batch, last_second=kept[-1].second if kept else None, last_generation=generation)
        if refusal in {"", "fence"}:
            generation = batch.generation
        if not refusal:
            kept.append(batch)
    return kept
