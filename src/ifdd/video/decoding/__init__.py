"""The readers behind ``sources`` and ``frames``: FFmpeg's containers, animations and cameras."""
