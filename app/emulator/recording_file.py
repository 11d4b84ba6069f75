"""Reader of recording files: raw messages of Binance's combined stream, one a line, each with its receive time.

Plain or gzip. The unit of the receive times, s, ms, µs or ns, is recognised by their size, once for a file:

- `1680652800004107 {"stream":"btcusdt@trade","data":{…}}`   receive time in µs
- `1633998512.0633569: {"stream":"nknusdt@aggTrade","data":{…}}`   in s, after a first line with the URL
- `1680652800004107123 {"lastUpdateId":7,"bids":[…],"asks":[…]}`   in ns; an answer of REST `depth`, without a stream
"""

from __future__ import annotations

import gzip
import zlib
from collections import Counter
from collections.abc import Iterator
from itertools import chain, islice
from pathlib import Path
from typing import IO, NamedTuple, cast

import msgspec

from app.emulator.market_source import MarketSourceError

GZIP_MAGIC = b"\x1f\x8b"
EARLIEST_S, LATEST_S = 1_230_768_000, 4_102_444_800  # 2009 (Bitcoin's first block) to 2100
PER_SECOND = {"s": 1, "ms": 10**3, "µs": 10**6, "ns": 10**9}
LOOKED_AT = 100  # lines that decide about the unit
CLEAR = 0.9  # share of them that must agree


class RecordedMessage(NamedTuple):
    """One recorded message of the combined stream."""

    received_us: int  # epoch µs
    stream: str  # empty: an answer of REST `depth`
    data: bytes  # the payload, as it came
    location: str  # file:line


class MalformedLine(NamedTuple):
    """A line that is not a message."""

    location: str  # file:line
    reason: str


class _Combined(msgspec.Struct, rename={"last_update_id": "lastUpdateId"}):
    stream: str = ""
    data: msgspec.Raw = msgspec.Raw(b"")
    last_update_id: int | None = None


_decoder = msgspec.json.Decoder(_Combined)


def read_lines(path: Path) -> Iterator[RecordedMessage | MalformedLine]:
    """Yield every line in turn; raises MarketSourceError if the file cannot be read to its end or mixes units."""
    try:
        with _open(path) as lines:
            first = list(islice(lines, LOOKED_AT))
            unit = _unit_of(path, first)
            for number, line in enumerate(chain(first, lines), start=1):
                text = line.strip()
                if text and not (number == 1 and text.startswith((b"ws://", b"wss://"))):
                    yield _message(text, unit, f"{path.name}:{number}")
    except (OSError, EOFError, zlib.error) as error:
        reason = getattr(error, "strerror", None) or error
        raise MarketSourceError(
            f"recording {path}: cannot be read ({reason}); give the path of a readable file"
        ) from error


def _open(path: Path) -> IO[bytes]:
    with path.open("rb") as file:
        is_gzip = file.read(2) == GZIP_MAGIC
    return cast("IO[bytes]", gzip.open(path, "rb") if is_gzip else path.open("rb"))


def _unit_of(path: Path, lines: list[bytes]) -> str:
    """Return the unit of a file's receive times; raises MarketSourceError if its first lines disagree."""
    units = Counter(filter(None, (_unit(line.strip().partition(b" ")[0]) for line in lines)))
    if not units:
        return "µs"  # no line will be a message
    unit, count = units.most_common(1)[0]
    if count < CLEAR * units.total():
        found = ", ".join(f"{number} in {name}" for name, number in units.most_common())
        raise MarketSourceError(f"recording {path}: receive times of several units ({found}); write them all in one")
    return unit


def _unit(timestamp: bytes) -> str | None:
    """Return the unit in which a receive time lies between 2009 and 2100; None if there is none."""
    try:
        value = float(timestamp.rstrip(b":"))
    except ValueError:
        return None
    return next((u for u, per_s in PER_SECOND.items() if EARLIEST_S <= value / per_s <= LATEST_S), None)


def _message(text: bytes, unit: str, location: str) -> RecordedMessage | MalformedLine:
    timestamp, _, payload = text.partition(b" ")
    try:
        received_us = _microseconds(timestamp, unit)
        message = _decoder.decode(payload)
    except (ValueError, msgspec.MsgspecError, RecursionError) as error:
        return MalformedLine(location, str(error))
    if not message.stream:
        if message.last_update_id is None:
            return MalformedLine(location, "neither a message of a combined stream nor a snapshot of the book")
        return RecordedMessage(received_us, "", payload, location)
    return RecordedMessage(received_us, message.stream, bytes(message.data), location)


def _microseconds(timestamp: bytes, unit: str) -> int:
    """(b"1680652800004107", "µs") or (b"1633998512.0633569:", "s") → µs since 1970."""
    number, shown = timestamp.rstrip(b":"), timestamp.decode(errors="replace")
    per_s = PER_SECOND[unit]
    received_us = int(number) * 10**6 // per_s if number.isdigit() else round(float(number) * 10**6 / per_s)
    if EARLIEST_S <= received_us / 10**6 <= LATEST_S:
        return received_us
    other = _unit(timestamp)
    raise ValueError(
        f"receive time {shown} is in {other}, the file's are in {unit}"
        if other
        else f"receive time {shown} is not between 2009 and 2100"
    )
