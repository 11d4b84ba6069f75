"""Forecasts that wait for their outcome. Key `partition/slot`, value the record of domain/pending_forecasts.py."""

from app.streaming.table_store import ring_table

PENDING = ring_table("pending", help="Forecasts waiting for their outcome, a ring: partition/slot → packed batch.")
