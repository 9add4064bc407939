"""Does a model use dynamics? Scores on clips that are changed in known ways, and on minimal pairs of clips."""
