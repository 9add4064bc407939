"""A network for training on hardware: less memory, other layouts, compilation."""

from functools import partial

from torch.utils.checkpoint import checkpoint

from ifdd.errors import InputError
from ifdd.model import IFDD, store_channels_last
from ifdd.training.config import OptimizationConfig
from ifdd.training.layer_decay import transformer_blocks


def prepare_network(network: IFDD, optimization: OptimizationConfig) -> None:
    """Change how a network computes, in place; neither its weights nor their names change.

    Raises:
        InputError: activations are to be checkpointed and the backbone is not a transformer.
    """
    if optimization.activation_checkpointing:
        _checkpoint_blocks(network)
    if optimization.channels_last:
        store_channels_last(network)
    if optimization.compile:
        network.compile()


def _checkpoint_blocks(network: IFDD) -> None:
    """Keep only the input of each transformer block, and compute the block again in the backward pass."""
    blocks = transformer_blocks(network)
    if blocks is None:
        raise InputError(
            f"optimization.activation_checkpointing needs a transformer, and the backbone {network.config.backbone} "
            "has no blocks; leave it out"
        )
    for block in blocks:
        block.forward = partial(checkpoint, block.forward, use_reentrant=False)
