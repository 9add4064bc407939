"""``ifdd crossval``: train and test a recipe on every fold of its dataset."""
