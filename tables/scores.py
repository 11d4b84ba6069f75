"""What was learned from outcomes. Key `partition`, value {last second, calibration, scores}."""

from app.streaming.table_store import ring_table

SCORES = ring_table("scores", help="Calibration and running scores: partition → packed record.")
