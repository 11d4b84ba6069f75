"""Faust tables in RocksDB with bounded memory, and the ring of one slot per second that two of them hold.

`windows` and `pending` are rings; `scores` has one record per partition.

RocksDB's defaults would take 2 GiB of block cache per table and partition. The changelogs are in `app/kafka/topics.py`.
"""

from typing import Any

import faust

from app.retry import retrying
from app.settings import settings
from app.streaming.faust_app import app

ROCKSDB = {
    "max_open_files": 64,
    "write_buffer_size": 2 * 2**20,
    "max_write_buffer_number": 2,
    "target_file_size_base": 4 * 2**20,
    "block_cache_size": 2**20,
}


def rocksdb_table(name: str, *, help: str) -> faust.Table:  # noqa: A002 – Faust's own word
    """Return a table of bytes by bytes, co-partitioned with the topics."""
    return app.Table(
        name,
        key_type=bytes,
        value_type=bytes,
        partitions=settings().partitions,
        help=help,
        options=dict(ROCKSDB),
    )


def slot_key(partition: int, second: int, size: int) -> bytes:
    """Return the ring's key of a second.

    >>> slot_key(2, 1_680_652_800, 320)
    b'2/0'
    """
    return f"{partition}/{second % size}".encode()


def ring_records(table: Any, partition: int, size: int) -> list[bytes]:
    """Return every record of a partition's ring; `items()` would span all partitions, so keys are looked up."""
    keys = (slot_key(partition, slot, size) for slot in range(size))
    return [record for key in keys if (record := table.get(key)) is not None]


async def store(table: faust.Table, key: bytes, value: bytes) -> None:
    """Write one table entry; a full disk is logged and tried again until there is space."""

    async def write() -> None:
        table[key] = value

    await retrying(write, f"write table {table.name}")
