"""The benchmarks as their owners distribute them, and folders of clips: from a tree on disk to a checked listing."""
