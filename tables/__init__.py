"""What survives: three RocksDB tables with their changelogs, partitioned like the walk. Declarations only."""
