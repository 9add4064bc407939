"""The output formats of results, one file each."""
