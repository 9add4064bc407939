"""Frame splitting: positions, interpolation, gradients."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from ifdd.model.issm import ISSM, EvenOddSplit, NoSplit, interpolate_frames, official_position
from ifdd.model.outputs import StageShape


def random_features(frames: int = 8, channels: int = 6, size: int = 3, seed: int = 0) -> torch.Tensor:
    return torch.randn(2, channels, frames, size, size, generator=torch.Generator().manual_seed(seed))


@given(
    frames=st.integers(2, 12),
    positions=st.lists(st.floats(-3, 15, width=32), min_size=1, max_size=6),
)
@settings(max_examples=50, deadline=None)
def test_interpolation_is_numpy_s_along_time(frames: int, positions: list[float]) -> None:
    features = random_features(frames)
    read = interpolate_frames(features, torch.tensor([positions, positions[::-1]]))
    for batch, at in enumerate((positions, positions[::-1])):
        series = features[batch].permute(0, 2, 3, 1).reshape(-1, frames).numpy()
        expected = np.stack([np.interp(at, np.arange(frames), values) for values in series])
        given_ = read[batch].permute(0, 2, 3, 1).reshape(-1, len(at)).numpy()
        np.testing.assert_allclose(given_, expected, atol=1e-5)


def test_zero_offsets_with_exact_sampling_are_the_even_and_odd_frames() -> None:
    features = random_features()
    issm = ISSM(StageShape(6, 8, 3, 3))
    torch.nn.init.zeros_(issm.static_offset.weight)
    torch.nn.init.zeros_(issm.dynamic_offset.weight)
    static, dynamic, split = issm(features)
    even, odd, parity = EvenOddSplit()(features)
    torch.testing.assert_close(static, even, rtol=0, atol=0)
    torch.testing.assert_close(dynamic, odd, rtol=0, atol=0)
    torch.testing.assert_close(split.static_index, parity.static_index)
    torch.testing.assert_close(split.dynamic_index, parity.dynamic_index)


def test_official_sampling_reads_where_the_release_reads() -> None:
    index = torch.tensor([[0.0, 2, 4, 6], [1.0, 3, 5, 7]])
    expected = torch.tensor([[0, 1.79, 4.07, 6.36], [0.64, 2.93, 5.21, 7]])
    torch.testing.assert_close(official_position(index, 8).clamp(0, 7), expected, atol=0.005, rtol=0)


def test_offsets_stay_inside_the_receptive_field() -> None:
    issm = ISSM(StageShape(6, 8, 3, 3), receptive_field=0.5)
    torch.nn.init.normal_(issm.static_offset.weight, std=100)
    _, _, split = issm(random_features())
    offset = (split.static_index - torch.arange(0.0, 8, 2)).abs()
    assert offset.max() <= 0.5
    assert offset.max() > 0.4


def test_correlation_is_the_product_of_pooled_tokens() -> None:
    features = random_features(size=9)
    issm = ISSM(StageShape(6, 8, 9, 9))
    pooled = torch.stack([torch.nn.functional.adaptive_avg_pool2d(features[:, :, t], 7) for t in range(8)], 1)
    weight, bias = issm.tokenizer.state_dict().values()
    tokens = torch.nn.functional.gelu(torch.einsum("btchw,kc->btkhw", pooled, weight[:, :, 0, 0]) + bias[:, None, None])
    expected = torch.einsum("btkhw,bskhw->bts", tokens, tokens) / 6
    torch.testing.assert_close(issm.correlation(features), expected)


def test_gradients_reach_the_offsets_and_the_tokenizer() -> None:
    torch.manual_seed(0)
    issm = ISSM(StageShape(6, 8, 3, 3))
    static, dynamic, _ = issm(random_features())
    (static.square().sum() + dynamic.square().sum()).backward()
    for name, parameter in issm.named_parameters():
        assert parameter.grad is not None, name
        assert parameter.grad.abs().max() > 0, name


def test_no_split_hands_all_frames_to_both_groups() -> None:
    features = random_features()
    static, dynamic, _ = NoSplit()(features)
    assert static is dynamic is features


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_indexes_are_computed_in_full_precision_under_autocast(dtype: torch.dtype) -> None:
    issm = ISSM(StageShape(6, 8, 3, 3))
    with torch.autocast("cpu", dtype=dtype):
        _, _, split = issm(random_features())
    assert split.static_index.dtype == torch.float32
