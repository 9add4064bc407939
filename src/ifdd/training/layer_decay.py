"""Layer-wise decay of the learning rate, with which pre-trained transformers are fine-tuned (Clark et al., ICLR 2020).

Blocks near the input, which need to change least, learn more slowly: with the decay d, the rate of block i of L is
d^(L - i) times that of the rest, and that of the embedding before them d^(L + 1).
"""

from torch import nn

from ifdd.errors import InputError
from ifdd.model import IFDD

BACKBONE = "backbone."
LAST_PARTS = ("norm.", "region_tokens.")
"""Parts of a backbone that learn at the full rate, as in the code of VideoMAE and MAE-DFER."""


def block_count(model: IFDD) -> int:
    """Return the number of blocks of the backbone.

    Raises:
        InputError: it has none.
    """
    blocks = transformer_blocks(model)
    if blocks is None:
        raise InputError(
            f"optimization.layer_decay needs a backbone of blocks, which {model.config.backbone} is not; leave it at 1"
        )
    return len(blocks)


def transformer_blocks(model: IFDD) -> nn.ModuleList | None:
    """Return the blocks of a transformer, each with an MLP; None for other backbones, whose blocks may be stages."""
    blocks = getattr(model.backbone, "blocks", None)
    is_transformer = isinstance(blocks, nn.ModuleList) and all(hasattr(block, "mlp") for block in blocks)
    return blocks if is_transformer else None


def layer_factor(name: str, blocks: int, decay: float) -> float:
    """Return the learning rate of a parameter relative to that of the model's other parts.

    Args:
        name: the parameter's name in the model.
        blocks: number of blocks of the backbone.
        decay: factor from one block to the one before.

    Example:
        >>> from ifdd.training.layer_decay import layer_factor
        >>> [layer_factor(f"backbone.blocks.{index}.norm1.weight", 3, 0.5) for index in range(3)]
        [0.125, 0.25, 0.5]
        >>> layer_factor("backbone.patch_embed.proj.weight", 3, 0.5), layer_factor("head.classifier.bias", 3, 0.5)
        (0.0625, 1.0)
    """
    if not name.startswith(BACKBONE) or name.removeprefix(BACKBONE).startswith(LAST_PARTS):
        return 1.0
    kind, _, rest = name.removeprefix(BACKBONE).partition(".")
    depth = int(rest.partition(".")[0]) + 1 if kind == "blocks" else 0
    return decay ** (blocks + 1 - depth)
