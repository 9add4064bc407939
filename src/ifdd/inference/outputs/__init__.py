"""The forms in which results are written, one form a file."""
