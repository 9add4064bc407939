"""VideoMAE's transformer as a backbone: transformers' model as the oracle, positions, gradients, the pyramid."""

import math
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from ifdd.model import IFDD, IFDDConfig, create_model
from ifdd.model.backbones.vit import VIT_TINY, SelfAttention, quarter_ends, sinusoids, vit_tiny
from ifdd.model.inspection.counting import count_parts
from ifdd.model.weights.pretrained import load_transformer

PUBLISHED_PARAMETERS = 86_227_200
"""Of VideoMAE's encoder with its final norm. With the decoder of pre-training and a header, it explains the size of the
published file, 376,873,760 bytes."""


def test_it_agrees_with_transformers_on_the_same_weights(tmp_path: Path) -> None:
    transformers = pytest.importorskip("transformers")
    torch.manual_seed(0)
    config = transformers.VideoMAEConfig(
        image_size=64,
        hidden_size=VIT_TINY.channels,
        num_hidden_layers=VIT_TINY.blocks,
        num_attention_heads=VIT_TINY.heads,
        intermediate_size=4 * VIT_TINY.channels,
        use_mean_pooling=False,
    )
    theirs = transformers.VideoMAEModel(config).eval()
    for parameter in theirs.parameters():
        torch.nn.init.normal_(parameter, std=0.1)
    save_file(theirs.state_dict(), tmp_path / "videomae.safetensors")
    ours = vit_tiny(16, 64, 0.0).eval()
    transfer = load_transformer(ours, tmp_path / "videomae.safetensors", "transformers")
    assert (transfer.unused, transfer.missing) == ({}, ())
    clip = torch.randn(2, 3, 16, 64, 64)
    with torch.inference_mode():
        output = theirs(clip.transpose(1, 2), output_hidden_states=True)
        maps = ours(clip)
    depths = [*output.hidden_states[1:4], output.last_hidden_state]
    assert output.last_hidden_state.std() > 0.1
    for found, expected in zip(maps, depths, strict=True):
        torch.testing.assert_close(found.flatten(2).transpose(1, 2), expected, rtol=0, atol=1e-4)


def test_positions_are_sines_and_cosines() -> None:
    table = sinusoids(50, 6)
    for position in (0, 1, 49):
        for channel in range(6):
            angle = position / 10000 ** (2 * (channel // 2) / 6)
            expected = math.cos(angle) if channel % 2 else math.sin(angle)
            assert table[position, channel].item() == pytest.approx(expected, abs=1e-6)


def test_attention_is_that_of_one_head_after_the_other() -> None:
    torch.manual_seed(0)
    layer = SelfAttention(8, 2)
    for parameter in layer.parameters():
        torch.nn.init.normal_(parameter)
    tokens = torch.randn(1, 5, 8)
    query, key, value = (tokens @ part.T for part in layer.qkv.weight.chunk(3))
    heads = []
    for head in (slice(0, 4), slice(4, 8)):
        scores = (query + layer.q_bias)[..., head] @ key[..., head].transpose(1, 2) / 2
        heads.append(scores.softmax(2) @ (value + layer.v_bias)[..., head])
    torch.testing.assert_close(layer(tokens), layer.proj(torch.cat(heads, dim=2)), rtol=1e-4, atol=1e-5)


def test_the_published_size() -> None:
    with torch.device("meta"):
        model = create_model("ifdd_vit_b")
    assert sum(value.numel() for value in model.get_submodule("backbone").parameters()) == PUBLISHED_PARAMETERS
    assert model.backbone.stages[2:] == ((768, 8, 14, 14),) * 2
    assert model.config.mean == (0.485, 0.456, 0.406)


@pytest.mark.parametrize("backbone", ["vit_tiny", "lgi_former_tiny"])
def test_every_parameter_has_a_gradient_through_a_pyramid_of_ratio_one(backbone: str) -> None:
    torch.manual_seed(0)
    model = IFDD(IFDDConfig(backbone=backbone, size=32, dropout=0.0, drop_path=0.0))
    model(torch.rand(2, 3, 16, 32, 32)).logits.square().sum().backward()
    without = [name for name, value in model.named_parameters() if value.grad is None or not value.grad.any()]
    assert without == []
    assert model.pyramid.reduce.stride == (1, 1)


@pytest.mark.parametrize("backbone", ["vit_tiny", "lgi_former_tiny"])
@pytest.mark.parametrize("frames", [8, 32])
def test_feature_frames_are_half_the_frames(backbone: str, frames: int) -> None:
    model = IFDD(IFDDConfig(backbone=backbone, size=64, frames=frames)).eval()
    with torch.inference_mode():
        output = model(torch.rand(1, 3, frames, 64, 64))
    assert output.split.correlation.shape == (1, frames // 2, frames // 2)
    assert output.split.static_index.shape == (1, frames // 4)


def test_stages_are_counted_where_the_backbone_says() -> None:
    assert quarter_ends(12) == [2, 5, 8, 11]
    parts = {part.name: part for part in count_parts(IFDDConfig(backbone="vit_tiny", size=32))}
    blocks = [parts[f"backbone stage {number}"].parameters for number in (2, 3)]
    assert blocks[0] == blocks[1] == 12 * 64**2 + 13 * 64 - 64
