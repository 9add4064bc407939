"""Results by group of clips: the groups of a column, their scores with intervals, and the reports."""
