"""Results as pictures: the plotted timeline, and the annotated video."""
