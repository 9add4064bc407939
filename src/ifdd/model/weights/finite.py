"""Numbers that are not finite never enter or leave a checkpoint."""

from collections.abc import Mapping

from torch import Tensor

from ifdd.errors import InputError


def not_finite(values: Mapping[str, Tensor]) -> list[str]:
    """Return the names of the floating-point tensors, buffers included, that hold NaN or an infinite number.

    Example:
        >>> import torch
        >>> from ifdd.model.weights.finite import not_finite
        >>> not_finite({"weight": torch.ones(2), "running_var": torch.tensor([1.0, torch.inf])})
        ['running_var']
    """
    return [name for name, value in values.items() if not _is_finite(value)]


def check_finite(values: Mapping[str, Tensor], origin: str) -> None:
    """Check that all weights are finite: others give no error, but a plausible and wrong prediction.

    Args:
        values: weights and buffers by name.
        origin: source of the weights, for the message.

    Raises:
        InputError: some are not.
    """
    if names := not_finite(values):
        raise InputError(
            f"{origin} holds weights that are not finite (NaN or infinite): {len(names)} of {len(values)} tensors, the "
            f"first {names[0]}; its training diverged or the file is damaged: take an earlier checkpoint, or train "
            "again with a lower learning rate"
        )


def _is_finite(value: Tensor) -> bool:
    if not (value.is_floating_point() or value.is_complex()) or value.is_meta:
        return True
    if value.is_floating_point() and value.element_size() == 1:  # 8-bit floats have no isfinite
        value = value.float()
    return bool(value.isfinite().all())
