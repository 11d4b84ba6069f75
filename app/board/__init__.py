"""The board: the one read model of the topics, in memory, in the API and dashboard processes."""
