"""Forecasts that wait for their outcome: `partition/slot` → the packed record of `domain/pending_forecasts.py`."""

from app.streaming.table_store import rocksdb_table

PENDING = rocksdb_table("pending", help="Forecasts waiting for their outcome, a ring: partition/slot → packed batch.")
