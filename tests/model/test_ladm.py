"""The lifting step as mathematics, and the parts around it."""

import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from ifdd.model.ladm import LADM, CrossAttention, PredictorFirstLADM, Refinement, TokenPooling, lifting_residual


def random_tokens(tokens: int, channels: int, seed: int) -> torch.Tensor:
    return torch.randn(2, tokens, channels, generator=torch.Generator().manual_seed(seed))


@given(tokens=st.integers(1, 9), width=st.integers(1, 4), seed=st.integers(0, 99))
@settings(max_examples=20, deadline=None)
def test_both_lifting_steps_can_be_undone(tokens: int, width: int, seed: int) -> None:
    torch.manual_seed(seed)
    static, dynamic = random_tokens(tokens, 8 * width, seed), random_tokens(tokens, 8 * width, seed + 1)
    ladm = LADM(8 * width, 0.0).eval()
    context, emotion = ladm.lift(static, dynamic)
    torch.testing.assert_close(emotion + ladm.predictor(dynamic, context), dynamic)
    torch.testing.assert_close(context - ladm.updater(static, dynamic), static)
    predicting = PredictorFirstLADM(8 * width, 0.0).eval()
    context, emotion = predicting.lift(static, dynamic)
    torch.testing.assert_close(emotion + predicting.predictor(dynamic, static), dynamic)
    torch.testing.assert_close(context - predicting.updater(static, emotion), static)


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
