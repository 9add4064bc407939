"""ifdd: facial expressions in video, recognised by their dynamics (IFDD, arXiv 2412.13168, AAAI 2025)."""
