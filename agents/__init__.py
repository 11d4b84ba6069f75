"""The agents in the order of the pipeline: predictions, outcomes. They hold no arithmetic."""
