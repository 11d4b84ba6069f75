"""The archive: Kafka → Parquet, exactly once by file names; `keeper` is the process, `query` the way to ask."""
