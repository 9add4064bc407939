"""Whole videos with several emotions: the story of one person, and the crowd of several, with ground truth."""
