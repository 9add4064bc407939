"""LADM, the Lifting-based Aggregation-Disentanglement Module: updater, predictor, refinement, token pooling."""

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F

from ifdd.model.layers import MLP, DropPath, merge_heads, split_heads
from ifdd.model.outputs import Lifted

Tokens = Float[Tensor, "batch tokens channels"]
HEADS = 8
"""Attention heads of updater, predictor and refinement."""


def init_almost_zero(linear: nn.Linear) -> None:
    """Initialise near zero, so that gradients still flow."""
    nn.init.trunc_normal_(linear.weight, std=0.002)
    nn.init.zeros_(linear.bias)


@torch.no_grad()
def init_as_identity(block: nn.Sequential) -> None:
    """Initialise an MLP of ratio 4 near the identity: GELU(x) - GELU(-x) = x on half of the hidden units."""
    inner, outer = block[0], block[3]
    assert isinstance(inner, nn.Linear)
    assert isinstance(outer, nn.Linear)
    channels = inner.in_features
    identity = torch.eye(channels)
    inner.weight[: 2 * channels] = torch.cat([identity, -identity])
    nn.init.zeros_(inner.bias)
    outer.weight.mul_(0.1)
    outer.weight[:, : 2 * channels] = torch.cat([identity, -identity], dim=1)
    nn.init.zeros_(outer.bias)


class CrossAttention(nn.Module):
    """Updater and predictor: linear(softmax(q k^T / sqrt(d)) v + v).

    The values v are added token by token, since both groups have the same number of tokens.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.query = nn.Linear(channels, channels)
        self.key_value = nn.Linear(channels, 2 * channels)
        self.project = nn.Linear(channels, channels)
        init_almost_zero(self.project)

    def forward(self, target: Tokens, source: Tokens) -> Tokens:
        """Attend from ``target`` (queries) to ``source`` (keys, values)."""
        (query,) = split_heads(self.query(target), 1, HEADS)
        key, value = split_heads(self.key_value(source), 2, HEADS)
        return self.project(merge_heads(F.scaled_dot_product_attention(query, key, value) + value))


class Refinement(nn.Module):
    """Refine the emotion features: self-attention with a residual, then an MLP without one.

    As in the official code, and unlike in the usual transformer block, the MLP has no residual.
    """

    def __init__(self, channels: int, drop_path: float) -> None:
        super().__init__()
        self.norm1 = nn.LayerNorm(channels)
        self.qkv = nn.Linear(channels, 3 * channels)
        self.project = nn.Linear(channels, channels)
        self.norm2 = nn.LayerNorm(channels)
        self.mlp = MLP(channels)
        self.drop_path = DropPath(drop_path)
        init_almost_zero(self.project)
        init_as_identity(self.mlp)

    def forward(self, emotion: Tokens) -> Tokens:
        """Return the refined emotion features."""
        query, key, value = split_heads(self.qkv(self.norm1(emotion)), 3, HEADS)
        attended = self.project(merge_heads(F.scaled_dot_product_attention(query, key, value)))
        emotion = emotion + self.drop_path(attended)
        return self.drop_path(self.mlp(self.norm2(emotion)))


class LADM(nn.Module):
    """The learnable lifting scheme, updater first as in the paper.

    Context Y_S = static + updater(static, dynamic); emotion features Y_D = dynamic - predictor(dynamic, Y_S); both
    groups are normalised first. Each step adds a function of the other group, so it can be inverted exactly.

    Deviation: initialised as the lazy wavelet. Updater, predictor and self-attention start near zero and the
    refinement's MLP as the identity, so that the emotion features start as the dynamic group. With PyTorch's default
    initialisation, as in the official code, the features collapse to a constant before the model learns anything.
    """

    def __init__(self, channels: int, drop_path: float) -> None:
        super().__init__()
        self.static_norm = nn.LayerNorm(channels)
        self.dynamic_norm = nn.LayerNorm(channels)
        self.updater = CrossAttention(channels)
        self.predictor = CrossAttention(channels)
        self.refinement = Refinement(channels, drop_path)

    def lift(self, static: Tokens, dynamic: Tokens) -> Lifted:
        """Apply the two lifting steps to the normalised groups: update, then predict."""
        context = static + self.updater(static, dynamic)
        return Lifted(context, dynamic - self.predictor(dynamic, context))

    def forward(self, static: Tokens, dynamic: Tokens) -> Lifted:
        """Return the context and the refined emotion features."""
        lifted = self.lift(self.static_norm(static), self.dynamic_norm(dynamic))
        return Lifted(lifted.context, self.refinement(lifted.emotion))


class PredictorFirstLADM(LADM):
    """Ablation: the classic order of a lifting scheme, predictor first."""

    def lift(self, static: Tokens, dynamic: Tokens) -> Lifted:
        """Apply the two lifting steps to the normalised groups: predict, then update."""
        emotion = dynamic - self.predictor(dynamic, static)
        return Lifted(static + self.updater(static, emotion), emotion)


class NoLifting(nn.Module):
    """Ablation: pass both groups through unchanged."""

    def forward(self, static: Tokens, dynamic: Tokens) -> Lifted:
        """Return the static group as the context, the dynamic group as the emotion features."""
        return Lifted(static, dynamic)


def lifting_residual(
    features: Float[Tensor, "batch channels frames height width"], context: Tokens
) -> Float[Tensor, "batch height width"]:
    """Return (mean of each pair of frames of X) - context, averaged over channels and time: the lifting loss's input.

    The loss asks the context to keep the coarse content of X.
    """
    # The mean over pairs, then over time, is the mean over time.
    average = features.mean((1, 2))
    return average - context.mean(2).unflatten(1, (-1, *average.shape[1:])).mean(1)


class TokenPooling(nn.Module):
    """A learned weighted sum over the tokens.

    As in the official code, it has a bias only in models without LADM (``bias=True``).
    """

    def __init__(self, tokens: int, bias: bool) -> None:
        super().__init__()
        self.weigh = nn.Linear(tokens, 1, bias=bias)
        # Start as the plain mean: with random signs, what the tokens share would cancel out.
        nn.init.constant_(self.weigh.weight, 1 / tokens)

    def forward(self, tokens: Tokens) -> Float[Tensor, "batch channels"]:
        """Pool (batch, tokens, channels) to (batch, channels)."""
        return self.weigh(tokens.transpose(1, 2)).squeeze(2)


class MeanPooling(nn.Module):
    """Ablation "backbone only": the plain mean over the tokens."""

    def forward(self, tokens: Tokens) -> Float[Tensor, "batch channels"]:
        """Pool (batch, tokens, channels) to (batch, channels)."""
        return tokens.mean(1)
