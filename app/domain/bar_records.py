"""Bar records: the bars of one second as bytes, for the ring table `tables/windows`.

A record describes itself: `btcw`, the fingerprint of the channels (8 bytes), CRC-32 of the rest, second, sizes, names
as JSON, then the bars as little-endian float64, channel by channel.
"""

import hashlib
import json
import struct
import zlib
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from app.domain.bars import CHANNELS, Floats

_MAGIC = b"btcw"
_FINGERPRINT = hashlib.sha256(",".join(CHANNELS).encode()).digest()[:8]
_HEAD = struct.Struct("<4s8sI")
_BODY = struct.Struct("<qII")  # second, symbols, bytes of their names


class RecordError(ValueError):
    """Bytes that are not a bar record of this version; the message says why and what follows."""


class BarRecord(NamedTuple):
    """The bars of one second."""

    second: int
    symbols: list[str]
    bars: Floats  # [S, C]


def pack(second: int, symbols: Sequence[str], bars: Floats) -> bytes:
    """Return one second as a record: 32 bytes, the names, and 240 bytes per symbol."""
    names = json.dumps(list(symbols)).encode()
    body = _BODY.pack(second, len(symbols), len(names)) + names + bars.T.astype("<f8").tobytes()
    return _HEAD.pack(_MAGIC, _FINGERPRINT, zlib.crc32(body)) + body


def unpack(record: bytes) -> BarRecord:
    """Return the bars of a record, bit for bit as they were packed.

    Raises:
        RecordError: foreign, damaged, or written with other channels.

    """
    if len(record) < _HEAD.size + _BODY.size or not record.startswith(_MAGIC):
        raise RecordError(f"not a bar record: {len(record)} bytes; the second counts as absent")
    _magic, fingerprint, checksum = _HEAD.unpack_from(record)
    if fingerprint != _FINGERPRINT:
        raise RecordError("bar record of another version: its channels differ; the second counts as absent")
    body = memoryview(record)[_HEAD.size :]
    if zlib.crc32(body) != checksum:
        raise RecordError("damaged bar record: its checksum differs; the second counts as absent")
    second, count, size = _BODY.unpack_from(body)
    names = json.loads(bytes(body[_BODY.size : _BODY.size + size]))
    values = np.frombuffer(body[_BODY.size + size :], dtype="<f8").reshape(len(CHANNELS), count)
    return BarRecord(second, names, np.ascontiguousarray(values.T, dtype=np.float64))
