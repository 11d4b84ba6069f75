"""The RocksDB tables with changelogs, partitioned like the topics. Declarations only."""
