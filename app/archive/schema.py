"""Columns of the archive's files: one Arrow schema per topic; prices, sizes and returns are doubles.

The shortest text of a double is the decimal that the exchange sent. Where it is not, `…_exact` holds it, else null:

    SELECT coalesce(price_exact, price::VARCHAR)::DECIMAL(38, 12) FROM trades

Columns that an older collector did not write are null.
"""

import msgspec
import pyarrow as pa

from app.records import Score

TEXTS = pa.list_(pa.string())
TRADE = pa.struct(
    {
        "id": pa.int64(),
        "time_ms": pa.int64(),
        "price": pa.float64(),
        "quantity": pa.float64(),
        "buyer_maker": pa.bool_(),
        "time_us": pa.int64(),
        "first_id": pa.int64(),
        "last_id": pa.int64(),
        "received_ns": pa.int64(),
        "connection": pa.int32(),  # 0: backfilled over REST
        "price_exact": pa.string(),
        "quantity_exact": pa.string(),
    }
)
QUOTE = pa.struct(
    {
        "time_ms": pa.int64(),
        "bid": pa.float64(),
        "bid_size": pa.float64(),
        "ask": pa.float64(),
        "ask_size": pa.float64(),
        "update_id": pa.int64(),
        "received_ns": pa.int64(),
        "connection": pa.int32(),
        "bid_exact": pa.string(),
        "bid_size_exact": pa.string(),
        "ask_exact": pa.string(),
        "ask_size_exact": pa.string(),
    }
)
EXACT = pa.struct({"column": pa.string(), "level": pa.int32(), "number": pa.string()})
BOOK = pa.struct(
    {"time_ms": pa.int64(), "update_id": pa.int64(), "received_ns": pa.int64(), "connection": pa.int32()}
    | dict.fromkeys(("bid", "bid_size", "ask", "ask_size"), pa.list_(pa.float64()))
    | {"exact": pa.list_(EXACT)}
)
SETTLED = pa.struct(
    {
        "symbol": pa.string(),
        "horizon_s": pa.int32(),
        "origin": pa.int64(),
        "realised": pa.float64(),  # null where void
        "void": pa.string(),  # the reason, null where settled
    }
)
_SCORE_TYPES = {str: pa.string(), int: pa.int64(), float: pa.float64()}
SCORE = pa.struct(
    [
        (field.name, _SCORE_TYPES.get(field.type, pa.string()))
        for field in msgspec.structs.fields(Score)
        if field.name not in {"coverage", "pit"}
    ]
    + [("coverage", pa.map_(pa.string(), pa.float64())), ("pit", pa.list_(pa.float64()))]
)

POSITION: dict[str, pa.DataType] = {
    "partition": pa.int32(),
    "kafka_offset": pa.int64(),
    "repeat": pa.bool_(),  # a second already archived, or a superseded collector's: readers skip it
    "second": pa.int64(),
    "closed_ms": pa.float64(),
    "generation": pa.int64(),
}
TICKS = pa.schema(
    POSITION
    | {"late": pa.bool_(), "symbol": pa.string(), "last_id": pa.int64(), "late_trades": pa.int64()}
    | {"missing": pa.int64(), "trades": pa.list_(TRADE), "quotes": pa.list_(QUOTE), "book": BOOK}
)
FEATURES = pa.schema(
    POSITION | {"sent_ms": pa.float64(), "symbol": pa.string(), "feature_schema": pa.string(), "flags": TEXTS}
)
PREDICTIONS = pa.schema(
    POSITION
    | {"sent_ms": pa.float64(), "model": pa.string(), "kind": pa.string(), "role": pa.string(), "champion": pa.bool_()}
    | {"symbol": pa.string(), "horizon_s": pa.int32(), "mid": pa.float64(), "volatility": pa.float64(), "flags": TEXTS}
    | {"mean": pa.float64()}
)
ID_SPAN = pa.struct({"first": pa.int64(), "last": pa.int64()})
GAPS = pa.schema(
    {"partition": pa.int32(), "kafka_offset": pa.int64(), "repeat": pa.bool_()}
    | {"second": pa.int64(), "generation": pa.int64()}  # the exchange's second in which it was noticed
    | dict.fromkeys(("id", "symbol", "stream", "state", "reason"), pa.string())
    | {
        "ids": pa.list_(ID_SPAN),
        "count": pa.int64(),
        "opened_count": pa.int64(),
    }  # trade ids missing, of
    | dict.fromkeys(("from_ms", "to_ms", "opened_ms", "closed_ms"), pa.float64())
)
OUTCOMES = pa.schema(POSITION | {"sent_ms": pa.float64(), "settled": pa.list_(SETTLED), "scores": pa.list_(SCORE)})
