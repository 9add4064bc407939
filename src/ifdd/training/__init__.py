"""Training: the only room that knows the training engine."""
