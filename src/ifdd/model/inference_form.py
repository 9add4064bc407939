"""The form of a model for inference, which computes the same with less work."""

import copy
from typing import TypeVar

from torch import nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

Network = TypeVar("Network", bound=nn.Module)


def inference_form(model: Network) -> Network:
    """Return a copy whose batch norms are part of the convolutions before them; without batch norms, the model itself.

    In evaluation a batch norm is a fixed scale and shift of each channel. The outputs agree up to rounding. The copy is
    for inference alone: its weights have other names and values, so do not train it or save it as a checkpoint. Batch
    norms stay where a class of layers has a forward of its own, or a layer has hooks.

    Args:
        model: a model in evaluation mode; it is left as it is.

    Raises:
        ValueError: the model is in training mode, in which a batch norm depends on the batch.

    Example:
        >>> import torch
        >>> from ifdd.model import create_model, inference_form
        >>> model, clip = create_model("ifdd_tiny").eval(), torch.rand(1, 3, 16, 64, 64)
        >>> torch.allclose(inference_form(model)(clip).logits, model(clip).logits, atol=1e-4)
        True
    """
    if model.training:
        raise ValueError("inference_form takes a model in evaluation mode: call eval() first")
    if not any(_foldable(layers, index) for layers in _sequences(model) for index in range(len(layers) - 1)):
        return model
    form = copy.deepcopy(model)
    for layers in _sequences(form):
        for index in range(len(layers) - 1):
            if _foldable(layers, index):
                layers[index] = fuse_conv_bn_eval(layers[index], layers[index + 1])  # type: ignore[arg-type, type-var]
                layers[index + 1] = nn.Identity()
    return form


def _sequences(model: nn.Module) -> list[nn.Sequential]:
    """Return the sequences that do nothing but call one layer after the other."""
    return [
        module
        for module in model.modules()
        if isinstance(module, nn.Sequential) and type(module).forward is nn.Sequential.forward
    ]


def _foldable(layers: nn.Sequential, index: int) -> bool:
    """Return whether a convolution is followed by a batch norm with statistics of its training, and by nothing else."""
    convolution, norm = layers[index], layers[index + 1]
    if (type(convolution), type(norm)) not in ((nn.Conv3d, nn.BatchNorm3d), (nn.Conv2d, nn.BatchNorm2d)):
        return False  # a subclass may compute something else
    return bool(norm.track_running_stats) and not any(map(_has_hooks, (layers, convolution, norm)))


def _has_hooks(module: nn.Module) -> bool:
    return bool(module._forward_hooks or module._forward_pre_hooks)
