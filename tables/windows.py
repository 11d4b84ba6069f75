"""The last seconds' bars. Key `partition/slot`, value the packed second of domain/bar_records.py."""

from app.streaming.table_store import ring_table

WINDOWS = ring_table("windows", help="Bars of the last seconds, a ring: partition/slot → packed second.")
