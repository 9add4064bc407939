"""Peak memory, checked by hand."""

from itertools import pairwise

import torch
from torch import nn

from ifdd.model.inspection.measuring import peak_on_cpu


def test_peak_memory_is_what_lives_at_once() -> None:
    widths = (100, 300, 500, 50)
    layers = nn.Sequential(*(nn.Linear(*pair) for pair in pairwise(widths)))
    with torch.inference_mode():
        for _ in range(2):  # the second measurement starts from zero
            assert peak_on_cpu(layers, torch.rand(1000, 100)) == 4 * 1000 * (300 + 500)
