"""Which way up faces are: turned heads and turned cameras."""

from ifdd.faces.upright.search import FaceSearch
from ifdd.faces.upright.turns import turn_upright

__all__ = ["FaceSearch", "turn_upright"]
