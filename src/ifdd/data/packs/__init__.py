"""Packs: the frames of all clips of a manifest in one file, for fast training."""
