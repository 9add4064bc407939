"""The command line: words and YAML files become the arguments of a function, mistakes become one line."""
