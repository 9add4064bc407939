"""MAE-DFER's transformer as a backbone: a slow, obvious forward as the oracle, regions, the published size."""

import pytest
import torch
from torch import Tensor, nn

from ifdd.model import create_model
from ifdd.model.backbones.lgi_former import Attention, Block, RegionTokens, lgi_former_tiny

PUBLISHED_PARAMETERS = 84_874_752
"""Of the encoder with its norm: the authors' log of DFEW counts 84,878,343 with a classifier of 7 classes."""


def slow_attention(layer: Attention, target: Tensor, source: Tensor) -> Tensor:
    """One query and one head after the other."""
    query = target @ layer.q.weight.T + layer.q_bias
    key, value = (source @ part.T for part in layer.kv.weight.chunk(2))
    value = value + layer.v_bias
    width = query.shape[1] // layer.heads
    rows = []
    for each in query:
        heads = []
        for start in range(0, len(each), width):
            head = slice(start, start + width)
            weights = torch.softmax(key[:, head] @ each[head] / width**0.5, 0)
            heads.append(weights @ value[:, head])
        rows.append(torch.cat(heads))
    return layer.proj(torch.stack(rows))


def slow_block(block: Block, local: list[Tensor], representatives: Tensor) -> tuple[list[Tensor], Tensor]:
    """The paper's three steps and the MLP for one clip: local, global, local-global interaction."""
    inner = []
    for tokens, representative in zip(local, representatives, strict=True):
        both = torch.cat([representative[None], tokens])
        normed = block.first_attn_norm0(both)
        inner.append(both + slow_attention(block.first_attn, normed, normed))
    representatives = torch.stack([each[0] for each in inner])
    normed = block.second_attn_norm0(representatives)
    representatives = representatives + slow_attention(block.second_attn, normed, normed)
    context = block.third_attn_norm1(representatives)
    result = []
    for each in inner:
        tokens = each[1:] + slow_attention(block.third_attn, block.third_attn_norm0(each[1:]), context)
        result.append(tokens + block.mlp(block.norm2(tokens)[None])[0])
    return result, representatives + block.mlp(block.norm2(representatives)[None])[0]


def test_it_is_the_paper_region_by_region() -> None:
    torch.manual_seed(0)
    network = lgi_former_tiny(8, 64, 0.0).eval()
    for name, parameter in network.named_parameters():
        norm = "norm" in name and name.endswith("weight")
        nn.init.normal_(parameter, mean=float(norm), std=0.1)
    clip = torch.randn(1, 3, 8, 64, 64)
    with torch.inference_mode():
        maps = network(clip)
        grid = network.patch_embed(clip)[0].unflatten(0, (4, 4, 4))
        places = [(slice(t, t + 2), slice(row, row + 2)) for t in (0, 2) for row in (0, 2)]
        local = [grid[place].flatten(0, 2) for place in places]
        representatives: Tensor = network.region_tokens.tokens
        for index, block in enumerate(network.blocks):
            assert isinstance(block, Block)
            local, representatives = slow_block(block, local, representatives)
            expected = torch.empty_like(grid)
            for place, tokens in zip(places, local, strict=True):
                expected[place] = tokens.unflatten(0, (2, 2, 4))
            if index == len(network.blocks) - 1:
                expected = network.norm(expected)
            torch.testing.assert_close(maps[index][0].permute(1, 2, 3, 0), expected, rtol=1e-4, atol=1e-5)


def test_regions_are_the_papers_and_joining_undoes_dividing() -> None:
    grid = (8, 10, 10)
    regions = RegionTokens(4, grid)
    tokens = torch.rand(2, 800, 4)
    divided = regions(tokens)
    assert divided.shape == (2, 8, 1 + 2 * 5 * 10, 4)
    assert torch.equal(divided[1, :, 0], regions.tokens)
    assert torch.equal(divided[0, 3, 1:], tokens[0].unflatten(0, grid)[2:4, 5:].flatten(0, 2))
    assert torch.equal(regions.maps(divided), tokens.transpose(1, 2).unflatten(2, grid))


def test_regions_hear_of_each_other_only_through_their_representatives() -> None:
    torch.manual_seed(0)
    network = lgi_former_tiny(8, 64, 0.0).eval()
    for parameter in network.parameters():
        nn.init.normal_(parameter, std=0.2)
    clip = torch.randn(1, 3, 8, 64, 64)
    changed = clip.clone()
    changed[:, :, :4, :32] += 1.0  # the first region
    with torch.inference_mode():
        difference = (network(changed)[-1] - network(clip)[-1]).abs()
        assert difference[:, :, 2:].max() > 1e-3  # the others
        for block in network.blocks:
            assert isinstance(block, Block)
            nn.init.zeros_(block.second_attn.proj.weight)
            nn.init.zeros_(block.third_attn.proj.weight)
        alone = (network(changed)[-1] - network(clip)[-1]).abs()
    assert alone[:, :, 2:].max() == alone[:, :, :2, 2:].max() == 0
    assert alone.max() > 1e-3


def test_the_published_size() -> None:
    with torch.device("meta"):
        model = create_model("ifdd_mae_dfer")
    backbone = model.get_submodule("backbone")
    assert sum(value.numel() for value in backbone.parameters()) == PUBLISHED_PARAMETERS
    assert backbone.get_parameter("region_tokens.tokens").shape == (8, 512)
    assert model.backbone.stages[2:] == ((512, 8, 10, 10),) * 2


@pytest.mark.parametrize("size", [96, 160, 224])
def test_regions_fit_any_size(size: int) -> None:
    with torch.device("meta"):
        backbone = lgi_former_tiny(16, size, 0.0)
        assert backbone(torch.empty(1, 3, 16, size, size))[-1].shape == (1, 64, 8, size // 16, size // 16)
    assert len(backbone.region_tokens.tokens) == 8
