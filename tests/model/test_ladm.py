"""The lifting step as mathematics, and the parts around it."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from ifdd.model.issm import EvenOddSplit
from ifdd.model.ladm import (
    HEADS,
    LADM,
    CrossAttention,
    PredictorFirstLADM,
    Refinement,
    TokenPooling,
    lifting_residual,
)
from ifdd.model.layers import maps_to_tokens

CODE = 2
"""Channels that say where a token lies: cosine and sine of an angle of its own."""


def assert_same(given_: torch.Tensor, expected: torch.Tensor) -> None:
    """Compare in double precision, up to rounding."""
    torch.testing.assert_close(given_, expected, rtol=0, atol=1e-12)


def random_tokens(tokens: int, channels: int, seed: int) -> torch.Tensor:
    return torch.randn(2, tokens, channels, generator=torch.Generator().manual_seed(seed))


@st.composite
def groups(draw: st.DrawFn) -> tuple[torch.Tensor, torch.Tensor]:
    """Draw a static and a dynamic group of tokens in double precision."""
    shape = (2, draw(st.integers(1, 3)), draw(st.integers(1, 40)), HEADS * draw(st.integers(1, 5)))
    generator = torch.Generator().manual_seed(draw(st.integers(0, 999)))
    static, dynamic = torch.randn(shape, generator=generator, dtype=torch.float64)
    return static, dynamic


def trained(ladm: LADM) -> LADM:
    """Return ``ladm`` with updater and predictor far from their start at almost nothing."""
    for block in (ladm.updater, ladm.predictor):
        torch.nn.init.normal_(block.project.weight, std=block.project.in_features**-0.5)
    return ladm.double().eval()


@given(pair=groups())
def test_both_steps_can_be_undone_given_the_other_group(pair: tuple[torch.Tensor, torch.Tensor]) -> None:
    static, dynamic = pair
    ladm = trained(LADM(static.shape[2], 0.0))
    context, emotion = ladm.lift(static, dynamic)
    assert (context - static).abs().max() > 1e-3  # the steps do something
    assert (emotion - dynamic).abs().max() > 1e-3
    assert_same(emotion + ladm.predictor(dynamic, context), dynamic)
    assert_same(context - ladm.updater(static, dynamic), static)
    predicting = trained(PredictorFirstLADM(static.shape[2], 0.0))
    context, emotion = predicting.lift(static, dynamic)
    assert_same(context - predicting.updater(static, emotion), static)
    assert_same(emotion + predicting.predictor(dynamic, static), dynamic)


@given(pair=groups())
@settings(max_examples=20)
def test_a_fresh_lifting_step_is_undone_from_its_results_alone(pair: tuple[torch.Tensor, torch.Tensor]) -> None:
    """The queries come from the group that changes, so undoing is a fixed point: a step that is small has one."""
    static, dynamic = pair
    torch.manual_seed(0)
    ladm = LADM(static.shape[2], 0.0).double().eval()
    context, emotion = ladm.lift(static, dynamic)
    found = emotion
    for _ in range(12):
        found = emotion + ladm.predictor(found, context)
    assert_same(found, dynamic)
    found_static = context
    for _ in range(12):
        found_static = context - ladm.updater(found_static, found)
    assert_same(found_static, static)


@st.composite
def coded_maps(draw: st.DrawFn) -> torch.Tensor:
    """Draw features (batch, channels, frames, height, width) whose first channels code the place.

    Both frames of a pair carry the same code, so that even and odd tokens of one place know each other.
    """
    batch, pairs = draw(st.integers(1, 3)), draw(st.integers(1, 4))
    height, width = draw(st.integers(1, 4)), draw(st.integers(1, 4))
    channels = HEADS * draw(st.integers(CODE, 4))
    generator = torch.Generator().manual_seed(draw(st.integers(0, 999)))
    features = torch.randn(batch, channels, 2 * pairs, height, width, generator=generator, dtype=torch.float64)
    angle = torch.arange(pairs * height * width, dtype=torch.float64) * (2 * math.pi / (pairs * height * width))
    code = torch.stack([angle.cos(), angle.sin()]).reshape(CODE, pairs, height, width)
    features[:, :CODE] = code.repeat_interleave(2, dim=1)
    return features


@torch.no_grad()
def set_to_multiple(block: CrossAttention, factor: float) -> None:
    """Let a cross-attention return ``factor`` times the source's token of the same place, and 0 for the code.

    Queries and keys of every head read only the code, times a large number: the softmax picks one token. It is
    added to itself (the values are added to what attention gathers), hence the half.
    """
    channels = block.project.in_features
    sharpness = 1e4
    reads_code = torch.zeros(channels, channels, dtype=torch.float64)
    for head in range(HEADS):
        for number in range(CODE):
            reads_code[head * channels // HEADS + number, number] = sharpness
    identity = torch.eye(channels, dtype=torch.float64)
    block.query.weight.copy_(reads_code)
    block.key_value.weight.copy_(torch.cat([reads_code, identity]))
    block.project.weight.copy_(factor / 2 * identity)
    block.project.weight[:CODE] = 0
    for linear in (block.query, block.key_value, block.project):
        linear.bias.zero_()


def with_fixed_weights(ladm: LADM, updater: float, predictor: float) -> LADM:
    ladm = ladm.double().eval()
    set_to_multiple(ladm.updater, updater)
    set_to_multiple(ladm.predictor, predictor)
    return ladm


def haar(features: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Return approximation and detail of the orthonormal Haar transform in time, as tokens without their code."""
    pairs = features.shape[2] // 2
    matrix = np.kron(np.eye(pairs), np.array([[1, 1], [-1, 1]]) / math.sqrt(2))
    assert np.allclose(matrix @ matrix.T, np.eye(2 * pairs))
    transformed = torch.from_numpy(np.einsum("st,bcthw->bcshw", matrix, features[:, CODE:].numpy()))
    return maps_to_tokens(transformed[:, :, 0::2]), maps_to_tokens(transformed[:, :, 1::2])


@pytest.mark.parametrize(
    ("order", "updater", "predictor", "of_approximation", "of_detail"),
    [
        # emotion = odd - even; context = even + emotion / 2, the mean
        (PredictorFirstLADM, 0.5, 1.0, 1 / math.sqrt(2), math.sqrt(2)),
        # context = even + odd, the sum; emotion = odd - context / 2
        (LADM, 1.0, 0.5, math.sqrt(2), 1 / math.sqrt(2)),
    ],
    ids=["predictor first", "updater first"],
)
@given(features=coded_maps())
def test_fixed_weights_give_the_haar_transform(
    order: type[LADM],
    updater: float,
    predictor: float,
    of_approximation: float,
    of_detail: float,
    features: torch.Tensor,
) -> None:
    """In both orders, with other factors; their product is 1, as lifting steps keep volumes."""
    ladm = with_fixed_weights(order(features.shape[1], 0.0), updater, predictor)
    even, odd, _ = EvenOddSplit()(features)
    static, dynamic = maps_to_tokens(even), maps_to_tokens(odd)
    context, emotion = ladm.lift(static, dynamic)
    approximation, detail = haar(features)
    assert_same(context[..., CODE:], of_approximation * approximation)
    assert_same(emotion[..., CODE:], of_detail * detail)
    # perfect reconstruction from the results alone: the code, which the queries read, is in both of them
    if order is LADM:
        dynamic_again = emotion + ladm.predictor(emotion, context)
        static_again = context - ladm.updater(context, dynamic_again)
    else:
        static_again = context - ladm.updater(context, emotion)
        dynamic_again = emotion + ladm.predictor(emotion, static_again)
    assert_same(static_again, static)
    assert_same(dynamic_again, dynamic)


@given(features=coded_maps())
@settings(max_examples=20)
def test_the_lifting_loss_has_nothing_to_say_against_haar_s_means(features: torch.Tensor) -> None:
    """The residual compares the context with the means of pairs: the classic order's Haar context."""
    even, odd, _ = EvenOddSplit()(features)
    ladm = with_fixed_weights(PredictorFirstLADM(features.shape[1], 0.0), 0.5, 1.0)
    context, _ = ladm.lift(maps_to_tokens(even), maps_to_tokens(odd))
    residual = lifting_residual(features, context)
    assert_same(residual, torch.zeros_like(residual))


def test_cross_attention_written_out() -> None:
    torch.manual_seed(0)
    block = CrossAttention(16)
    target, source = random_tokens(5, 16, 0), random_tokens(5, 16, 1)
    query = block.query(target)
    key, value = block.key_value(source).chunk(2, dim=2)
    heads = []
    for head in range(8):
        part = slice(2 * head, 2 * head + 2)
        weights = torch.softmax(query[..., part] @ key[..., part].transpose(1, 2) / 2**0.5, dim=-1)
        heads.append(weights @ value[..., part] + value[..., part])
    torch.testing.assert_close(block(target, source), block.project(torch.cat(heads, dim=2)))


def test_refinement_has_no_residual_around_its_mlp() -> None:
    refinement = Refinement(16, 0.0)
    for parameter in refinement.mlp.parameters():
        torch.nn.init.zeros_(parameter)
    assert refinement(random_tokens(4, 16, 0)).abs().max() == 0


def test_residual_compares_the_context_with_the_mean_of_pairs() -> None:
    features = torch.randn(2, 6, 8, 3, 2)
    context = torch.randn(2, 4 * 3 * 2, 6)
    pairs = torch.nn.functional.avg_pool3d(features, (2, 1, 1))
    maps = context.transpose(1, 2).reshape(2, 6, 4, 3, 2)
    torch.testing.assert_close(lifting_residual(features, context), (pairs - maps).mean((1, 2)))


def test_residual_is_zero_where_the_context_is_the_pairs_mean() -> None:
    features = torch.randn(2, 6, 8, 3, 3)
    context = torch.nn.functional.avg_pool3d(features, (2, 1, 1)).flatten(2).transpose(1, 2)
    torch.testing.assert_close(lifting_residual(features, context), torch.zeros(2, 3, 3))


def test_token_pooling_is_a_weighted_sum() -> None:
    pooling = TokenPooling(5, bias=True)
    torch.nn.init.ones_(pooling.weigh.bias)
    tokens = random_tokens(5, 16, 0)
    expected = sum(weight * tokens[:, i] for i, weight in enumerate(pooling.weigh.weight[0])) + 1
    torch.testing.assert_close(pooling(tokens), expected)


def test_ladm_starts_as_the_lazy_wavelet() -> None:
    torch.manual_seed(0)
    ladm = LADM(16, 0.0).eval()
    static, dynamic = random_tokens(4, 16, 0), random_tokens(4, 16, 1)
    normed = ladm.dynamic_norm(dynamic)
    with torch.no_grad():
        for _, parameter in ladm.refinement.mlp[3].named_parameters():
            if parameter.ndim == 2:  # the hidden units that are not part of the identity start small, not at zero
                parameter[:, 32:] = 0
    context, emotion = ladm(static, dynamic)
    torch.testing.assert_close(context, ladm.static_norm(static), atol=0.05, rtol=0)
    torch.testing.assert_close(emotion, normed, atol=0.05, rtol=0)
