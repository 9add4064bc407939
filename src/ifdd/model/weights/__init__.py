"""Weights in and out: ifdd's own checkpoints, those of the official release, torchvision's Kinetics-400 files."""
