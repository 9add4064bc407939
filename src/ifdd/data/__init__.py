"""Clips: from files on disk to tensors."""
