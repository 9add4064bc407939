"""``ifdd prepare``: from a dataset on disk to a checked manifest, face crops and a pack."""
