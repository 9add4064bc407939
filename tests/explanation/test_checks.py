"""The checks of the heat maps pass for maps that are right and fail for maps that are wrong."""

import numpy as np
import pytest
import torch

from ifdd.explanation.attribution import attribute
from ifdd.explanation.checks import CASCADE, deletion_test, randomisation_test, rank_correlation
from ifdd.model import load_checkpoint
from ifdd.synth import SynthConfig, render_clip
from tests.explanation.test_attribution import a_clip, looks_at


def test_deleting_where_a_model_looks_is_noticed_and_elsewhere_it_is_not() -> None:
    model = looks_at(2, 0, 0)
    clip = a_clip(model) * 0.3
    clip[:, :, :32, :32] += 0.6  # the mean colour is darker than what it looks at
    found = deletion_test(model, clip, attribute(model, clip, target=1).dynamic, target=1)
    assert found.most[0] == found.least[0] == found.random[0]
    assert found.most[-1] < found.most[0] - 0.1
    assert found.least[-2] == pytest.approx(found.least[0], abs=1e-4)
    assert found.gain > 0.05
    wrong = np.zeros((16, 64, 64), np.float32)
    wrong[:, 32:] = 1
    elsewhere = deletion_test(model, clip, wrong, target=1)
    assert elsewhere.most[-2] == pytest.approx(elsewhere.most[0], abs=1e-4)
    assert elsewhere.gain <= 0


def test_maps_of_a_trained_model_depend_on_its_weights_and_point_at_what_it_uses() -> None:
    """The two checks on the bundled demonstration, on a clip that it was not trained on."""
    model = load_checkpoint("ifdd_tiny_synth").model
    drawn = render_clip(SynthConfig(size=64, frames=16, fps=10.0), seed=3, index=5)
    clip = torch.from_numpy(drawn.frames).permute(3, 0, 1, 2).float() / 255
    found = attribute(model, clip)
    deleted = deletion_test(model, clip, found.dynamic, found.target)
    assert deleted.most[-1] < deleted.least[-1]
    before = {name: value.clone() for name, value in model.state_dict().items()}
    shuffled = randomisation_test(model, clip)
    assert shuffled.parts == ("head", "lifting", "split", "pyramid", "backbone")
    assert np.abs(shuffled.dynamic).max() < 0.9
    assert shuffled.dynamic.shape == shuffled.static.shape == (len(CASCADE),)
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())


def test_rank_correlation_is_that_of_ranks() -> None:
    one = np.arange(8, dtype=np.float32).reshape(2, 2, 2)
    assert rank_correlation(one, one**3) == pytest.approx(1)
    assert rank_correlation(one, -one) == pytest.approx(-1)
    assert rank_correlation(one, np.zeros_like(one)) == 0
    assert np.isnan(rank_correlation(np.zeros_like(one), one))
