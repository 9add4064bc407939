"""The command line: turns words and YAML files into the arguments of a function, and mistakes into one-line errors."""
