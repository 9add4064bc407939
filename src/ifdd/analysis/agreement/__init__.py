"""Agreement of results with people who coded the same videos: kappa, segments, onsets."""
