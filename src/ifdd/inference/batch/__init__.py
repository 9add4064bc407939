"""Everything that ``ifdd recognize`` does with many videos: search, names, ledger, worker processes."""
