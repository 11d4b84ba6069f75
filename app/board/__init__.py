"""The board: the one read model of the topics, in memory, in every process that answers people."""
