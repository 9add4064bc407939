"""The interface of a backbone, and the table of backbones."""

from collections.abc import Callable
from typing import Protocol, runtime_checkable

from jaxtyping import Float
from torch import Tensor

from ifdd.model.backbones.lgi_former import lgi_former, lgi_former_tiny
from ifdd.model.backbones.mvit import mvit_s, mvit_tiny, mvit_xs
from ifdd.model.backbones.s3d import s3d
from ifdd.model.backbones.s3d_small import s3d_small
from ifdd.model.backbones.s3d_tiny import s3d_tiny
from ifdd.model.backbones.vit import vit_b, vit_tiny
from ifdd.model.outputs import StageShape


@runtime_checkable
class Backbone(Protocol):
    """What pyramid, ISSM and LADM need of a backbone: a module with ``stages`` and a forward.

    It may have an ``origin``, too; see :func:`origin`.
    """

    stages: tuple[StageShape, ...]
    """Shapes of the maps that forward returns, finest first; the last two must have the same number of frames."""

    def __call__(
        self, clip: Float[Tensor, "batch 3 frames height width"]
    ) -> tuple[Float[Tensor, "batch _ _ _ _"], ...]:
        """Return one (batch, channels, frames, height, width) map per stage."""


def origin(backbone: Backbone) -> tuple[float, float, float]:
    """Return where the first cell of a backbone's last map is centred in the clip: frame, row and column, from 0.

    The others follow at the ratio of the sizes. It is the first frame and pixel if all layers have odd kernels and
    symmetric padding, and a backbone's own attribute ``origin`` otherwise; heat maps are laid by it.

    Example:
        >>> from ifdd.model.backbones import BACKBONES, origin
        >>> origin(BACKBONES["mvit_xs"](16, 224, 0.0)), origin(BACKBONES["vit_tiny"](16, 224, 0.0))
        ((0.0, 0.0, 0.0), (0.5, 7.5, 7.5))
    """
    frame, row, column = getattr(backbone, "origin", (0.0, 0.0, 0.0))
    return frame, row, column


BACKBONES: dict[str, Callable[[int, int, float], Backbone]] = {
    "lgi_former": lgi_former,
    "lgi_former_tiny": lgi_former_tiny,
    "mvit_xs": mvit_xs,
    "mvit_s": mvit_s,
    "mvit_tiny": mvit_tiny,
    "s3d": s3d,
    "s3d_small": s3d_small,
    "s3d_tiny": s3d_tiny,
    "vit_b": vit_b,
    "vit_tiny": vit_tiny,
}
"""Name -> builder(frames, size, drop_path). Add an entry to use a backbone of your own by name."""
