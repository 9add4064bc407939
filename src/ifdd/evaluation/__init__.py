"""Scores of a model on the clips of a manifest."""
