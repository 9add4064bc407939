"""S3D as a backbone: time is kept behind the stem, everything else is the published network."""

from collections.abc import Callable
from typing import cast

import pytest
import torch
from torch import nn

from ifdd.model import IFDD, IFDDConfig
from ifdd.model.backbones import BACKBONES
from ifdd.model.backbones.s3d import BLOCKS_STRIDE_8, NORM_EPS, Inception, S3DClassifier, SeparableConv, s3d
from ifdd.model.backbones.s3d_small import s3d_small
from ifdd.model.backbones.s3d_tiny import S3DTiny, s3d_tiny


def random_norms(network: nn.Module) -> None:
    """Statistics as after a training, so that evaluation depends on them."""
    for layer in network.modules():
        if isinstance(layer, nn.BatchNorm3d):
            assert layer.running_mean is not None
            assert layer.running_var is not None
            nn.init.normal_(layer.running_mean, std=0.1)
            nn.init.uniform_(layer.running_var, 0.3, 0.8)


def test_it_is_the_published_network_up_to_the_first_pool_over_time() -> None:
    torch.manual_seed(0)
    plain, backbone = S3DClassifier(400).eval(), s3d(16, 64, 0.0).eval()
    random_norms(plain)
    backbone.features.load_state_dict(plain.features.state_dict())
    clip = torch.rand(1, 3, 16, 64, 64)
    with torch.inference_mode():
        stages = backbone(clip)
        torch.testing.assert_close(stages[0], plain.features[:4](clip))
        torch.testing.assert_close(stages[1], plain.features[:7](clip))
        # the pool itself sees the same frames and keeps all of them
        torch.testing.assert_close(backbone.features[7](stages[1])[:, :, ::2], plain.features[7](stages[1]))


def test_a_still_of_sixteen_frames_and_its_double_give_the_same_inner_frames() -> None:
    torch.manual_seed(0)
    short, long = s3d(16, 32, 0.0).eval(), s3d(32, 32, 0.0).eval()
    long.load_state_dict(short.state_dict())
    clip = torch.rand(1, 3, 1, 32, 32).expand(-1, -1, 32, -1, -1)
    with torch.inference_mode():
        from_short, from_long = short(clip[:, :, :16])[0], long(clip)[0]
    torch.testing.assert_close(from_short[:, :, 3:5], from_long[:, :, 3:5])


def test_the_stem_of_32_frames_averages_pairs() -> None:
    torch.manual_seed(0)
    backbone = s3d(32, 32, 0.0).eval()
    stem = backbone.features[0](torch.rand(1, 3, 32, 32, 32))
    pairs = (stem[:, :, 0::2] + stem[:, :, 1::2]) / 2
    torch.testing.assert_close(backbone.stem_pool(stem), pairs)


@pytest.mark.parametrize("build", [s3d_tiny, s3d_small])
def test_the_stem_of_a_small_network_averages_pairs_of_32_frames_too(
    build: Callable[[int, int, float], S3DTiny],
) -> None:
    torch.manual_seed(0)
    backbone = build(32, 32, 0.0).eval()
    clip = torch.rand(1, 3, 32, 32, 32)
    space, time, _ = cast(nn.Sequential, backbone.stem)
    found = time(space(clip))
    torch.testing.assert_close(backbone.stem(clip), (found[:, :, 0::2] + found[:, :, 1::2]) / 2)
    assert backbone.state_dict().keys() == build(16, 32, 0.0).state_dict().keys()


def test_a_separable_convolution_is_the_full_one_with_the_product_of_the_kernels() -> None:
    torch.manual_seed(0)
    layer = SeparableConv(1, 1).eval()
    spatial, temporal = (each for each in layer.modules() if isinstance(each, nn.Conv3d))
    for convolution in (spatial, temporal):
        nn.init.uniform_(convolution.weight)  # not negative, so that ReLU changes nothing
    maps = torch.rand(1, 1, 4, 5, 6)
    full = nn.functional.conv3d(maps, temporal.weight * spatial.weight, padding=1)
    torch.testing.assert_close(layer(maps), full / (1 + NORM_EPS))  # two norms that have seen nothing


def test_inception_branches_do_not_see_each_other() -> None:
    torch.manual_seed(0)
    widths = BLOCKS_STRIDE_8[0]
    block = Inception(8, widths).eval()
    maps = torch.rand(2, 8, 3, 5, 4)
    before = block(maps)
    assert before.shape == (2, widths.total, 3, 5, 4)
    nn.init.zeros_(block.get_parameter("branch2.0.0.weight"))
    changed = (block(maps) != before).flatten(2).any(dim=2)[0]
    start = widths.point + widths.wide
    assert changed[start : start + widths.narrow].any()
    assert not changed[:start].any()
    assert not changed[start + widths.narrow :].any()


@pytest.mark.parametrize("frames", [8, 16, 32])
@pytest.mark.parametrize("name", ["s3d_tiny", "s3d_small", "s3d", "mvit_tiny", "vit_tiny", "lgi_former_tiny"])
def test_every_frame_is_seen(name: str, frames: int) -> None:
    torch.manual_seed(0)
    backbone = BACKBONES[name](frames, 32, 0.0)
    clip = torch.rand(1, 3, frames, 32, 32, requires_grad=True)
    for maps in backbone(clip)[-2:]:
        (gradient,) = torch.autograd.grad((maps * torch.randn(maps.shape)).sum(), clip, retain_graph=True)
        assert gradient.abs().sum((0, 1, 3, 4)).gt(0).all()


@pytest.mark.parametrize("frames", [8, 16, 32])
def test_a_gradient_reaches_every_parameter_through_the_whole_model(frames: int) -> None:
    torch.manual_seed(0)
    model = IFDD(IFDDConfig(backbone="s3d", frames=frames, size=64, dropout=0.0, drop_path=0.0)).train()
    output = model(torch.rand(2, 3, frames, 64, 64))
    (output.logits.square().sum() + output.lifting_residual.square().sum()).backward()
    assert [name for name, value in model.named_parameters() if value.grad is None or not value.grad.any()] == []


def test_the_statistics_follow_within_a_hundred_steps() -> None:
    """At torchvision's momentum nine tenths of them would still be those of the start."""
    torch.manual_seed(0)
    stem = s3d(8, 32, 0.0).features[0].train()
    clip = 5 * torch.rand(2, 3, 8, 32, 32)
    with torch.no_grad():
        for _ in range(100):
            trained = stem(clip)
        evaluated = stem.eval()(clip)
    assert (trained - evaluated).abs().max() < 0.01 * trained.std()
