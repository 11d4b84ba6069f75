"""The walk of a tick, in order: features, predictions, outcomes. Each takes, calls, sends, stores; no arithmetic."""
