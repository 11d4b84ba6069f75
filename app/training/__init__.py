"""Training: `trainer` is the process; `training` trains, `evaluate` judges, `cold_start` makes the packaged release."""
