"""The agents in the order of the pipeline: features, predictions, outcomes. They hold no arithmetic."""
