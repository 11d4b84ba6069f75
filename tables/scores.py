"""Calibration and running scores: `partition` → the packed record of `domain/outcome_state.py`."""

from app.streaming.table_store import rocksdb_table

SCORES = rocksdb_table("scores", help="Calibration and running scores: partition → packed record.")
