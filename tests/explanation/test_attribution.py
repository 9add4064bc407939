"""The heat maps: where they lie, what they sum to, and in which models they are empty."""

from typing import Any, cast

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ifdd.errors import InputError
from ifdd.explanation.attribution import attribute, sampling_weights
from ifdd.model import BACKBONES, IFDD, Backbone, StageShape, create_model
from ifdd.model.backbones import origin
from ifdd.model.backbones.mvit import MViT
from ifdd.model.backbones.vit import VideoViT
from ifdd.model.issm import interpolate_frames

GROUPS = {
    "full": (True, True),
    "even_odd": (True, True),
    "official_sampling": (True, True),
    "predictor_first": (True, False),
    "issm_only": (True, False),
    "backbone_only": (True, False),
}
"""Ablation -> whether the maps of Y_D and Y_S have heat."""


def a_clip(model: IFDD, seed: int = 0) -> Tensor:
    size = (3, model.config.frames, model.config.size, model.config.size)
    return torch.rand(size, generator=torch.Generator().manual_seed(seed))


def stirred(ablation: str = "full") -> IFDD:
    """Return a model away from its initialisation, in which updater and predictor are almost zero."""
    torch.manual_seed(0)
    model = create_model("ifdd_tiny", ablation=ablation).eval()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(torch.randn(parameter.shape) * 0.05)
    return model


@pytest.mark.parametrize("ablation", GROUPS)
def test_the_maps_have_the_clip_s_size_and_sum_to_one(ablation: str) -> None:
    model = stirred(ablation)
    found = attribute(model, a_clip(model))
    assert found.target == found.probabilities.argmax()
    assert found.probabilities.sum() == pytest.approx(1, abs=1e-5)
    for heat, filled in zip((found.dynamic, found.static), GROUPS[ablation], strict=True):
        assert heat.shape == (16, 64, 64)
        assert heat.min() >= 0
        assert heat.sum(dtype=np.float64) == pytest.approx(1 if filled else 0, abs=1e-3)


def test_the_shares_of_the_emotion_tokens_are_the_logit() -> None:
    """Gradient x activation of Y_D is exact: the shares sum to the target's logit, up to the biases."""
    model = stirred()
    emotion: list[Tensor] = []
    model.lifting.register_forward_hook(lambda module, groups, lifted: emotion.append(lifted.emotion))
    output = model(a_clip(model)[None])
    (gradient,) = torch.autograd.grad(output.logits[0, 2], emotion[0])
    shares = (gradient * emotion[0]).sum()
    assert shares.item() == pytest.approx((output.logits[0, 2] - model.head.classifier.bias[2]).item(), abs=1e-4)


def test_the_maps_do_not_depend_on_how_sure_the_model_is() -> None:
    model = stirred()
    clip = a_clip(model)
    with torch.no_grad():
        model.head.classifier.weight.mul_(0.1)
    unsure = attribute(model, clip)
    with torch.no_grad():
        model.head.classifier.weight.mul_(100)
    sure = attribute(model, clip, unsure.target)
    assert sure.probabilities.max() > 2 * unsure.probabilities.max()
    np.testing.assert_allclose(sure.dynamic, unsure.dynamic, atol=1e-7)


def test_gradients_and_modes_stay_as_they_are() -> None:
    model = stirred()
    clip = a_clip(model)
    with torch.inference_mode():
        found = attribute(model, clip)
    assert all(parameter.grad is None for parameter in model.parameters())
    assert not model.lifting._forward_hooks
    assert not model.lifting._forward_pre_hooks
    assert not found.output.logits.requires_grad
    torch.testing.assert_close(found.output.logits, model(clip[None]).logits.detach())


def test_sampled_frames_give_their_heat_back_as_they_were_sampled() -> None:
    """Sampling weights are the matrix of ``interpolate_frames``."""
    position = torch.tensor([[-1.0, 0.3, 4.0, 6.9]])
    features = torch.rand(1, 2, 8, 1, 1, generator=torch.Generator().manual_seed(1))
    sampled = interpolate_frames(features, position)
    by_matrix = torch.einsum("pf,bcfhw->bcphw", sampling_weights(position[0], 8), features)
    torch.testing.assert_close(sampled, by_matrix)


class Brightness(nn.Module):
    """A backbone that sees the brightness around the centre of each cell, at the given stages."""

    stages: tuple[StageShape, ...]

    def __init__(self, backbone: Backbone) -> None:
        super().__init__()
        self.stages = backbone.stages

    def forward(self, clip: Tensor) -> list[Tensor]:
        return [self.mean_of_cells(clip.mean(1, keepdim=True), stage) for stage in self.stages]

    def mean_of_cells(self, grey: Tensor, stage: StageShape) -> Tensor:
        stride = [whole // cells for whole, cells in zip(grey.shape[2:], stage[1:], strict=True)]
        kernel, padding = [step + 1 - step % 2 for step in stride], [step // 2 for step in stride]
        kernel[0], padding[0] = 1, 0
        pooled = F.avg_pool3d(grey, kernel, stride, padding, count_include_pad=False)
        return pooled.repeat(1, stage.channels, 1, 1, 1)


def looks_at(frame: int, row: int, column: int) -> IFDD:
    """Return a model whose class 1 is the brightness of one cell of the dynamic group's frame."""
    torch.manual_seed(0)
    model = create_model("ifdd_tiny", ablation="issm_only", num_classes=2).eval()
    model.backbone = Brightness(model.backbone)
    shape = model.backbone.stages[-1]
    with torch.no_grad():
        model.pyramid.fuse.weight.zero_()
        model.pyramid.fuse.weight[:, -shape.channels :, 0, 0] = torch.eye(shape.channels)
        weigh = model.get_parameter("pooling.weigh.weight").zero_()
        weigh[0, (frame * shape.height + row) * shape.width + column] = 1
        model.get_parameter("split.dynamic_offset.weight").zero_()
        model.head.classifier.weight.copy_(torch.tensor([[0.0], [1.0]]).expand(2, shape.channels))
    return model


@pytest.mark.parametrize(("frame", "row", "column"), [(0, 0, 1), (3, 1, 0), (2, 1, 1)])
def test_the_map_of_a_model_that_looks_at_one_block_lies_there(frame: int, row: int, column: int) -> None:
    model = looks_at(frame, row, column)
    found = attribute(model, a_clip(model), target=1)
    # the dynamic group's frames are the odd ones of 8, each of which stands for every second of the clip's 16
    centre = (2 * (2 * frame + 1), 32 * row, 32 * column)
    assert np.unravel_index(found.dynamic.argmax(), found.dynamic.shape) == pytest.approx(centre)
    box = tuple(
        slice(max(0, middle - half), middle + half + 1) for middle, half in zip(centre, (1, 16, 16), strict=True)
    )
    assert found.dynamic[box].sum() > 0.5
    assert found.dynamic[box[0]].sum() == pytest.approx(1, abs=1e-3)


def test_convolutional_stems_take_the_mean_of_pairs_of_32_frames() -> None:
    first = [origin(BACKBONES[name](32, 64, 0.0)) for name in ("s3d", "mvit_tiny", "s3d_tiny", "s3d_small")]
    assert [frame for frame, _, _ in first] == [1, 1, 1, 1]  # of frames 0 and 2, on which the stem's are centred


def test_a_map_lies_where_the_backbone_says_that_its_first_cell_is() -> None:
    model = looks_at(1, 1, 0)
    before = attribute(model, a_clip(model), target=1).dynamic
    cast(Any, model.backbone).origin = (1.0, 8.0, 8.0)
    after = attribute(model, a_clip(model), target=1).dynamic
    centres = [np.unravel_index(heat.argmax(), heat.shape) for heat in (before, after)]
    assert np.subtract(centres[1], centres[0]).tolist() == [1, 8, 8]


def seen_centre(maps: Tensor, clip: Tensor, cell: tuple[int, int, int]) -> list[float]:
    """Return the centre of mass of the input's gradient of a cell: frame, row and column."""
    values = maps[0, :, *cell]
    (gradient,) = torch.autograd.grad((values * torch.randn(values.shape)).sum(), clip)
    mass = gradient.abs().sum((0, 1))
    return [
        float((mass.sum([axis for axis in range(3) if axis != kept]) * torch.arange(side)).sum() / mass.sum())
        for kept, side in enumerate(mass.shape)
    ]


@pytest.mark.parametrize(("name", "frames"), [("s3d_tiny", 16), ("s3d_small", 16), ("s3d", 16)])
def test_cells_of_the_features_are_centred_where_the_maps_are_laid(name: str, frames: int) -> None:
    torch.manual_seed(0)
    backbone = BACKBONES[name](frames, 160, 0.0)
    cast(nn.Module, backbone).eval()
    clip = torch.rand(1, 3, frames, 160, 160, requires_grad=True)
    frame, row, column = seen_centre(backbone(clip - 0.5)[-1], clip, (4, 2, 2))
    first = origin(backbone)
    assert frame == pytest.approx(first[0] + 4 * frames / 8, abs=0.4)
    assert (row, column) == pytest.approx((first[1] + 2 * 32, first[2] + 2 * 32), abs=5)  # borders pull


@pytest.mark.parametrize(("name", "frames"), [("mvit_tiny", 16), ("mvit_tiny", 32), ("vit_tiny", 16)])
def test_transformers_are_laid_by_what_their_tokens_see_before_attention(name: str, frames: int) -> None:
    """Attention sees all of the clip. The tokens of mvit_tiny are 4 pixels wide at first, 32 at last."""
    torch.manual_seed(0)
    backbone = BACKBONES[name](frames, 64, 0.0)
    clip = torch.rand(1, 3, frames, 64, 64, requires_grad=True)
    if isinstance(backbone, MViT):
        maps, side = backbone.stem_pool(backbone.conv_proj(clip)), 4
    else:
        maps, side = cast(VideoViT, backbone).patch_embed.proj(clip), 16
    first = origin(backbone)
    expected = (first[0] + 4 * frames / 8, first[1] + 2 * side, first[2] + 2 * side)
    assert seen_centre(maps, clip, (4, 2, 2)) == pytest.approx(expected, abs=0.4)


def test_an_unknown_class_is_refused() -> None:
    model = create_model("ifdd_tiny").eval()
    with pytest.raises(InputError, match="target is 7; the model has the classes 0 to 6"):
        attribute(model, a_clip(model), target=7)
