"""Archive of the topics in Parquet: every message in exactly one file, and SQL over them."""
