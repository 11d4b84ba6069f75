"""The bars of the last seconds: `partition/slot` → the packed second of `domain/bar_records.py`."""

from app.streaming.table_store import rocksdb_table

WINDOWS = rocksdb_table("windows", help="Bars of the last seconds, a ring: partition/slot → packed second.")
