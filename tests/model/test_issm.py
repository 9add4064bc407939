"""Frame splitting: positions, interpolation, gradients. What is claimed of any map is tested over random shapes."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from ifdd.model.issm import ISSM, EvenOddSplit, NoSplit, interpolate_frames, official_position
from ifdd.model.outputs import StageShape


@st.composite
def maps(draw: st.DrawFn, fewest_frames: int = 2) -> torch.Tensor:
    """Draw the features of a batch: (batch, channels, an even number of frames, height, width)."""
    frames = 2 * draw(st.integers(fewest_frames // 2, 6))
    shape = (draw(st.integers(1, 3)), draw(st.integers(1, 6)), frames, draw(st.integers(1, 9)), draw(st.integers(1, 9)))
    return torch.randn(shape, generator=torch.Generator().manual_seed(draw(st.integers(0, 999))))


def issm_for(features: torch.Tensor, receptive_field: float = 2.0, sampling: str = "exact") -> ISSM:
    torch.manual_seed(0)
    return ISSM(StageShape(*features.shape[1:]), receptive_field, sampling)


def some_map(size: int = 3) -> torch.Tensor:
    return torch.randn(2, 6, 8, size, size, generator=torch.Generator().manual_seed(0))


@given(features=maps(), positions=st.lists(st.floats(-3, 15, width=32), min_size=1, max_size=6))
def test_interpolation_is_numpy_s_along_time(features: torch.Tensor, positions: list[float]) -> None:
    frames = features.shape[2]
    # every clip of a batch has its own positions
    at = torch.stack([torch.tensor(positions) + clip for clip in range(len(features))])
    read = interpolate_frames(features, at)
    for clip in range(len(features)):
        series = features[clip].permute(0, 2, 3, 1).reshape(-1, frames).numpy()
        expected = np.stack([np.interp(at[clip], np.arange(frames), values) for values in series])
        np.testing.assert_allclose(read[clip].permute(0, 2, 3, 1).reshape(-1, len(positions)), expected, atol=1e-5)


@given(features=maps())
def test_zero_offsets_with_exact_sampling_are_the_even_and_odd_frames(features: torch.Tensor) -> None:
    issm = issm_for(features)
    torch.nn.init.zeros_(issm.static_offset.weight)
    torch.nn.init.zeros_(issm.dynamic_offset.weight)
    static, dynamic, split = issm(features)
    assert torch.equal(static, features[:, :, 0::2])  # to the bit
    assert torch.equal(dynamic, features[:, :, 1::2])
    even, odd, parity = EvenOddSplit()(features)
    assert torch.equal(static, even)
    assert torch.equal(dynamic, odd)
    assert torch.equal(split.static_index, parity.static_index)
    assert torch.equal(split.dynamic_index, parity.dynamic_index)


@given(features=maps(), indexes=st.lists(st.floats(-2, 13), min_size=1, max_size=6))
def test_official_sampling_is_grid_sample_between_two_conventions(features: torch.Tensor, indexes: list[float]) -> None:
    """The release normalises for aligned corners and samples without them."""
    features, index = features.double(), torch.tensor([indexes], dtype=torch.float64).expand(len(features), -1)
    frames = features.shape[2]
    x = 2 * index / (frames - 1) - 1
    rows = features.permute(0, 1, 3, 4, 2).flatten(1, 3)[:, :, None]  # an image of one row: time runs along x
    grid = torch.stack([x, torch.zeros_like(x)], dim=-1)[:, None]
    sampled = torch.nn.functional.grid_sample(rows, grid, padding_mode="border", align_corners=False)
    expected = sampled.squeeze(2).unflatten(1, (features.shape[1], *features.shape[3:])).movedim(-1, 2)
    read = interpolate_frames(features, official_position(index, frames))
    torch.testing.assert_close(read, expected, atol=1e-12, rtol=0)


def test_official_sampling_misses_the_even_and_odd_frames() -> None:
    features = some_map()
    issm = issm_for(features, sampling="official")
    torch.nn.init.zeros_(issm.static_offset.weight)
    static, _, split = issm(features)
    assert torch.equal(split.static_index[0], torch.tensor([0.0, 2, 4, 6]))
    reads = torch.tensor([[0, 1.785714, 4.071429, 6.357143]] * 2)
    torch.testing.assert_close(static, interpolate_frames(features, reads))


@given(features=maps(), receptive_field=st.floats(0.1, 4))
def test_offsets_fill_the_receptive_field_and_stay_inside(features: torch.Tensor, receptive_field: float) -> None:
    issm = issm_for(features, receptive_field)
    torch.nn.init.normal_(issm.static_offset.weight, std=1000)
    _, _, split = issm(features)
    offset = (split.static_index - issm.even).abs()
    assert offset.max() <= receptive_field + 1e-5
    assert offset.max() > 0.5 * receptive_field


@given(features=maps())
def test_correlation_is_the_product_of_pooled_tokens(features: torch.Tensor) -> None:
    issm = issm_for(features)
    batch, channels, frames, height, width = features.shape
    pooled = torch.nn.functional.adaptive_avg_pool3d(features, (frames, min(height, 7), min(width, 7)))
    weight, bias = issm.tokenizer.weight[:, :, 0, 0], issm.tokenizer.bias
    assert bias is not None
    tokens = torch.nn.functional.gelu(torch.einsum("bcthw,kc->btkhw", pooled, weight) + bias[:, None, None])
    expected = torch.einsum("btkhw,bskhw->bts", tokens, tokens) / channels
    torch.testing.assert_close(issm.correlation(features), expected)
    assert issm.correlation(features).shape == (batch, frames, frames)


@given(features=maps(), receptive_field=st.floats(0.1, 4))
def test_indexes_are_the_formula(features: torch.Tensor, receptive_field: float) -> None:
    issm = issm_for(features, receptive_field)
    for linear in (issm.static_offset, issm.dynamic_offset):
        torch.nn.init.normal_(linear.weight)
    _, _, split = issm(features * 10)  # so that the frames differ
    for sign, index, linear, first in (
        (1, split.static_index, issm.static_offset, 0),
        (-1, split.dynamic_index, issm.dynamic_offset, 1),
    ):
        signed = sign * split.correlation.detach().double().numpy()
        raised = np.exp(signed - signed.max(2, keepdims=True))
        weights = raised / raised.sum(2, keepdims=True)
        offset = np.tanh(weights.reshape(len(features), -1) @ linear.weight.detach().double().numpy().T)
        expected = np.arange(first, features.shape[2], 2) + receptive_field * offset
        np.testing.assert_allclose(index.detach().numpy(), expected, atol=1e-4)


@given(features=maps(fewest_frames=4))
def test_gradients_reach_the_offsets_and_the_tokenizer(features: torch.Tensor) -> None:
    issm = issm_for(features)
    static, dynamic, split = issm(features)
    weights = torch.randn_like(static)  # a plain sum of squares could have a flat spot
    ((static + dynamic) * weights).sum().backward()
    for name, parameter in issm.named_parameters():
        assert parameter.grad is not None, name
        assert parameter.grad.abs().max() > 0, name
    # each position has its own row of weights, and moves unless it is clamped in every clip
    last = features.shape[2] - 1
    for index, linear in ((split.static_index, issm.static_offset), (split.dynamic_index, issm.dynamic_offset)):
        assert linear.weight.grad is not None
        free = ((index >= 0) & (index <= last)).any(0)
        assert torch.equal(linear.weight.grad.abs().amax(1) > 0, free)


@given(features=maps(), seed=st.integers(0, 999))
@settings(max_examples=15)
def test_gradients_of_the_interpolation_are_finite_differences(features: torch.Tensor, seed: int) -> None:
    features = features[:, :2, :, :2, :1].double().requires_grad_()
    generator = torch.Generator().manual_seed(seed)
    cell = torch.randint(0, features.shape[2] - 1, (len(features), 3), generator=generator)
    # between two frames: at a frame itself the slope jumps
    inside = 0.1 + 0.8 * torch.rand(cell.shape, generator=generator, dtype=torch.float64)
    position = (cell + inside).requires_grad_()
    torch.autograd.gradcheck(interpolate_frames, (features, position))


def test_no_gradient_pulls_a_position_further_beyond_the_border() -> None:
    position = torch.tensor([[-0.5, 0.5, 7.5]] * 2, requires_grad=True)
    interpolate_frames(some_map(), position).square().sum().backward()
    assert position.grad is not None
    assert torch.equal(position.grad[0] != 0, torch.tensor([False, True, False]))


def test_no_split_hands_all_frames_to_both_groups() -> None:
    features = some_map()
    static, dynamic, _ = NoSplit()(features)
    assert static is dynamic is features


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_indexes_are_computed_in_full_precision_under_autocast(dtype: torch.dtype) -> None:
    features = some_map()
    with torch.autocast("cpu", dtype=dtype):
        _, _, split = issm_for(features)(features)
    assert split.static_index.dtype == torch.float32
