"""Calibration and running scores: `partition` → the packed record of `domain/outcome_state.py`."""

from app.streaming.table_store import ring_table

SCORES = ring_table("scores", help="Calibration and running scores: partition → packed record.")
