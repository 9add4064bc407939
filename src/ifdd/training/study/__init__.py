"""``ifdd study``: a grid of trainings that differ in the model, in how long the emotion shows, and in the seed."""
