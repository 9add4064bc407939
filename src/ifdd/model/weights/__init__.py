"""Weight files: ifdd's checkpoints, those of the official release, torchvision's Kinetics-400 files."""
