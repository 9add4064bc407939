"""What a face does over time: action units, the expressions of each emotion, their course, and speech."""
