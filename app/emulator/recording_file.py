"""Reader of recording files: raw messages of Binance's combined stream, one a line, each with its receive time.

Two formats, plain or gzip, are recognised by their lines:

- `1680652800004107 {"stream":"btcusdt@trade","data":{…}}`   receive time in µs
- `1633998512.0633569: {"stream":"nknusdt@aggTrade","data":{…}}`   in s, after a first line with the URL
"""

from __future__ import annotations

import gzip
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import IO, NamedTuple, cast

import msgspec

from app.emulator.market_source import MarketSourceError

GZIP_MAGIC = b"\x1f\x8b"
EARLIEST_US, LATEST_US = 1_230_768_000_000_000, 4_102_444_800_000_000  # 2009 (Bitcoin's first block) to 2100


class RecordedMessage(NamedTuple):
    """One recorded message of the combined stream."""

    received_us: int  # epoch µs
    stream: str
    data: bytes  # the payload, as it came
    location: str  # file:line


class MalformedLine(NamedTuple):
    """A line that is not a message."""

    location: str  # file:line
    reason: str


class _Combined(msgspec.Struct):
    stream: str
    data: msgspec.Raw


_decoder = msgspec.json.Decoder(_Combined)


def read_lines(path: Path) -> Iterator[RecordedMessage | MalformedLine]:
    """Yield every line in turn; raises MarketSourceError if the file cannot be read to its end."""
    try:
        with _open(path) as lines:
            for number, line in enumerate(lines, start=1):
                text = line.strip()
                if text and not (number == 1 and text.startswith((b"ws://", b"wss://"))):
                    yield _message(text, f"{path.name}:{number}")
    except (OSError, EOFError, zlib.error) as error:
        reason = getattr(error, "strerror", None) or error
        raise MarketSourceError(
            f"recording {path}: cannot be read ({reason}); give the path of a readable file"
        ) from error


def _open(path: Path) -> IO[bytes]:
    with path.open("rb") as file:
        is_gzip = file.read(2) == GZIP_MAGIC
    return cast("IO[bytes]", gzip.open(path, "rb") if is_gzip else path.open("rb"))


def _message(text: bytes, location: str) -> RecordedMessage | MalformedLine:
    timestamp, _, payload = text.partition(b" ")
    try:
        received_us = _microseconds(timestamp)
        message = _decoder.decode(payload)
    except (ValueError, msgspec.MsgspecError, RecursionError) as error:
        return MalformedLine(location, str(error))
    return RecordedMessage(received_us, message.stream, bytes(message.data), location)


def _microseconds(timestamp: bytes) -> int:
    """b"1680652800004107" or b"1633998512.0633569:" → µs since 1970."""
    in_seconds = timestamp.endswith(b":") or b"." in timestamp
    received_us = round(float(timestamp.rstrip(b":")) * 1e6) if in_seconds else int(timestamp)
    if not EARLIEST_US <= received_us <= LATEST_US:
        raise ValueError(f"receive time {timestamp.decode(errors='replace')} is not between 2009 and 2100")
    return received_us
