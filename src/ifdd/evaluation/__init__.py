"""Evaluation: scores of a model on the clips of a manifest, and the protocol they were obtained with."""
