"""Training of models: the trainer process, its data, the training pipeline, and the packaged cold-start release."""
