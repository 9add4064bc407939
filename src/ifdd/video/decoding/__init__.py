"""Decoding with FFmpeg: containers, damage, orientation."""
