"""The board: the one read model of the topics, in memory, in every reader; `board.Board` is its door."""
