"""Measurements, each one command, and how they are scored."""
