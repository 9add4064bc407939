"""Training: the only room that imports Lightning, the training engine."""
