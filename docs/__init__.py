"""The pages of ifdd, and what fills them in."""
