"""Augmentation of batches of clips: different for each clip, the same for all frames of a clip.

Needs the extra ``[train]`` (kornia). Random numbers come from torch's global generator, so ``torch.manual_seed`` (or
the trainer's seed) makes a run reproducible.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float, Int64, UInt8
from kornia.augmentation import (
    ColorJitter,
    RandomErasing,
    RandomGamma,
    RandomGaussianBlur,
    RandomGaussianNoise,
    RandomHorizontalFlip,
    RandomLinearIllumination,
    RandomResizedCrop,
    RandomRotation,
    VideoSequential,
)
from kornia.augmentation.container.params import ParamItem
from torch import Tensor, nn
from torch.nn import functional as F

from ifdd.errors import InputError, check_range


@dataclass(frozen=True)
class AugmentationConfig:
    """Strength of the augmentation; the defaults are IFDD's official recipe. 0 disables a part."""

    flip: float = 0.5
    """Probability of a horizontal flip, 0 to 1."""
    crop_scale: tuple[float, float] = (0.5, 1.0)
    """Smallest and largest share of the frame area that the random resized crop keeps; (1, 1) disables it."""
    crop_ratio: tuple[float, float] = (0.75, 4 / 3)
    """Smallest and largest aspect ratio (width / height) of the crop."""
    brightness: float = 0.4
    """Brightness is multiplied by a factor between 1 - this and 1 + this, 0 to 1."""
    contrast: float = 0.4
    """Contrast is multiplied by a factor between 1 - this and 1 + this, 0 to 1."""
    saturation: float = 0.4
    """Saturation is multiplied by a factor between 1 - this and 1 + this, 0 to 1."""
    hue: float = 0.4
    """The hue is rotated by up to this share of the colour circle in either direction, 0 to 0.5."""
    rotation: float = 0.0
    """Largest turn in either direction in degrees, 0 to 180."""
    gamma: float = 0.0
    """Values are raised to a power between 1 / (1 + this) and 1 + this."""
    shade: float = 0.0
    """Largest darkening or brightening by a light that changes across the picture, in half of the clips, 0 to 1."""
    blur: float = 0.0
    """Largest standard deviation of a Gaussian blur in pixels, 0 to 8, in half of the clips."""
    noise: float = 0.0
    """Standard deviation of noise, as a share of the range of values, in half of the clips, 0 to 1."""
    erasing: float = 0.0
    """Probability that a box of 2 to 20 % of the frame is blanked, 0 to 1."""
    still: float = 0.0
    """Probability that a clip stands still at a random one of its frames, 0 to 1: photographs are still clips."""
    still_span: float = 1.0
    """Share of the clip, around its middle, from which that frame is taken, above 0 and at most 1: near the ends of a
    clip, the expression may not have begun, or may be over."""
    border: float = 0.0
    """Probability that up to a fifth of the frame, at one or more sides, repeats the line next to it, 0 to 1: so are
    faces cropped that reach beyond the picture."""

    def __post_init__(self) -> None:
        for name in ("flip", "brightness", "contrast", "saturation", "shade", "noise", "erasing", "still", "border"):
            check_range(f"augmentation.{name}", getattr(self, name), at_least=0, at_most=1)
        check_range("augmentation.still_span", self.still_span, above=0, at_most=1)
        check_range("augmentation.hue", self.hue, at_least=0, at_most=0.5)
        check_range("augmentation.rotation", self.rotation, at_least=0, at_most=180)
        check_range("augmentation.gamma", self.gamma, at_least=0, below=math.inf)
        check_range("augmentation.blur", self.blur, at_least=0, at_most=8)
        if not 0 < self.crop_scale[0] <= self.crop_scale[1] <= 1:
            raise InputError(f"augmentation.crop_scale is {self.crop_scale}; give two ascending shares up to 1")
        if not 0 < self.crop_ratio[0] <= self.crop_ratio[1] < math.inf:
            raise InputError(f"augmentation.crop_ratio is {self.crop_ratio}; give two ascending positive ratios")


@dataclass(frozen=True)
class MixupConfig:
    """Mixing of pairs of clips; the defaults are IFDD's official recipe: always mixup or cutmix, equally often."""

    mixup_alpha: float = 0.8
    """Both parameters of the Beta distribution of mixup's weight; 0 disables mixup."""
    cutmix_alpha: float = 1.0
    """Both parameters of the Beta distribution of cutmix's area; 0 disables cutmix."""
    switch_probability: float = 0.5
    """Share of batches that use cutmix when both are enabled, 0 to 1."""
    label_smoothing: float = 0.1
    """Share of each target that is spread evenly over all classes, 0 to 1; 0 disables it."""

    def __post_init__(self) -> None:
        check_range("mixup.mixup_alpha", self.mixup_alpha, at_least=0, below=math.inf)
        check_range("mixup.cutmix_alpha", self.cutmix_alpha, at_least=0, below=math.inf)
        check_range("mixup.switch_probability", self.switch_probability, at_least=0, at_most=1)
        check_range("mixup.label_smoothing", self.label_smoothing, at_least=0, at_most=1)


class ClipAugmentation(nn.Module):
    """Flip, random resized crop and colour jitter of a batch of clips.

    kornia does everything except the hue: its rotation through HSV takes 80% of the total time on a CPU (0.24 s of 0.3
    s for 16 clips of 16 x 96 x 96 on one thread), so ``rotate_hue`` uses a matrix instead.

    Parameters are drawn for the whole batch. On a CPU they are then applied clip by clip, with the same result in less
    than half the time, because a clip fits into the cache and a batch (154 MB for 16 clips of 16 x 224 x 224) does not
    (``benchmarks/loading.py``). On a GPU, all crops are one operation, not one for each frame.
    """

    def __init__(self, config: AugmentationConfig) -> None:
        super().__init__()
        self.config = config

    @torch.no_grad()
    def forward(self, clip: UInt8[Tensor, "batch 3 time height width"]) -> Float[Tensor, "batch 3 time height width"]:
        """Return augmented clips of the same shape with values in [0, 1], in float32 in mixed precision too."""
        with torch.autocast(clip.device.type, enabled=False):
            return self._augment(clip)

    def _augment(self, clip: UInt8[Tensor, "batch 3 time height width"]) -> Float[Tensor, "batch 3 time height width"]:
        if self.config.still:
            clip = _some_still(clip, self.config.still, self.config.still_span)
        if self.config.border:
            clip = _some_beyond_the_picture(clip, self.config.border)
        on_cpu = clip.device.type == "cpu"
        sequence = self._sequence(clip.shape[-2], clip.shape[-1], "slice" if on_cpu else "resample")
        drawn = sequence.forward_parameters(clip.shape) if sequence else []
        hue = self.config.hue
        turns = (2 * torch.rand(len(clip), device=clip.device) - 1) * hue if hue else None
        varied = torch.empty(clip.shape, device=clip.device)
        step = 1 if on_cpu else len(clip)
        for first in range(0, len(clip), step):
            part = slice(first, first + step)
            image = clip[part].float() / 255
            if sequence:
                image = sequence(image, params=_parameters_of(drawn, part, clip.shape[2]))
            if turns is not None:
                image = rotate_hue(image, turns[part])
            torch.clamp(image, 0, 1, out=varied[part])
        return varied

    def _sequence(self, height: int, width: int, cropping: str) -> VideoSequential | None:
        """Return kornia's steps, or None if all are disabled; ``cropping`` is kornia's mode."""
        config = self.config
        parts: list[nn.Module] = []
        if config.flip:
            parts.append(RandomHorizontalFlip(p=config.flip))
        if config.rotation:
            parts.append(RandomRotation(config.rotation, p=1.0))
        if config.crop_scale != (1, 1):
            scale, ratio = config.crop_scale, config.crop_ratio
            parts.append(RandomResizedCrop((height, width), scale=scale, ratio=ratio, cropping_mode=cropping))
        if config.shade:
            parts.append(RandomLinearIllumination(gain=(0.0, config.shade), p=0.5))
        if config.brightness or config.contrast or config.saturation:
            parts.append(ColorJitter(config.brightness, config.contrast, config.saturation, p=1.0))
        if config.gamma:
            parts.append(RandomGamma((1 / (1 + config.gamma), 1 + config.gamma), p=1.0))
        if config.blur:
            kernel = 2 * math.ceil(2 * config.blur) + 1
            parts.append(RandomGaussianBlur(kernel, (min(0.1, config.blur), config.blur), p=0.5))
        if config.noise:
            parts.append(RandomGaussianNoise(std=config.noise, p=0.5))
        if config.erasing:
            parts.append(RandomErasing(scale=(0.02, 0.2), ratio=(0.4, 2.5), value=0.5, p=config.erasing))
        return VideoSequential(*parts, data_format="BCTHW", same_on_frame=True) if parts else None


def _some_still(
    clip: UInt8[Tensor, "batch 3 time height width"], probability: float, span: float
) -> UInt8[Tensor, "batch 3 time height width"]:
    """Return the clips, each with this probability as a random frame of the share ``span`` in its middle, repeated."""
    batch, _, time = clip.shape[:3]
    frames = torch.arange(time, device=clip.device).expand(batch, time)
    first = min(round((1 - span) / 2 * time), (time - 1) // 2)
    chosen = torch.randint(first, time - first, (batch, 1), device=clip.device).expand(batch, time)
    frames = torch.where(torch.rand(batch, 1, device=clip.device) < probability, chosen, frames)
    return clip.gather(2, frames[:, None, :, None, None].expand_as(clip))


def _some_beyond_the_picture(
    clip: UInt8[Tensor, "batch 3 time height width"], probability: float
) -> UInt8[Tensor, "batch 3 time height width"]:
    """Return the clips, each with this probability as ``crop_face`` fills a crop that reaches beyond the picture.

    Half of the sides of such a clip repeat their last line of the picture, over up to a fifth of the frame.
    """
    batch = len(clip)
    concerned = (torch.rand(batch, 1, device=clip.device) < probability) & (
        torch.rand(batch, 4, device=clip.device) < 0.5
    )
    shares = torch.where(concerned, 0.2 * torch.rand(batch, 4, device=clip.device), 0)
    for dimension, first, last in ((3, shares[:, :1], shares[:, 1:2]), (4, shares[:, 2:3], shares[:, 3:])):
        length = clip.shape[dimension]
        lines = torch.arange(length, device=clip.device).expand(batch, length)
        lines = torch.clamp(lines, (first * length).long(), length - 1 - (last * length).long())
        shape = [batch, 1, 1, 1, 1]
        shape[dimension] = length
        clip = clip.gather(dimension, lines.view(shape).expand_as(clip))
    return clip


_OF_ALL_CLIPS = ("order", "forward_input_shape")
"""Entries that kornia has once per batch; the others have one row per frame of each clip, since 0.9 of unchanged ones
too."""


def _parameters_of(drawn: Sequence[ParamItem], part: slice, time: int) -> list[ParamItem]:
    """Return the parameters of some clips from those that kornia drew for their batch."""
    rows = slice(part.start * time, part.stop * time)
    parts = []
    for step in drawn:
        assert isinstance(step.data, dict)  # only nested sequences have lists
        own = {key: row if key in _OF_ALL_CLIPS or row.ndim == 0 else row[rows] for key, row in step.data.items()}
        parts.append(ParamItem(step.name, own))
    return parts


def rotate_hue(
    clip: Float[Tensor, "batch 3 time height width"], turns: Float[Tensor, " batch"]
) -> Float[Tensor, "batch 3 time height width"]:
    """Rotate the colours of each clip around the grey axis of YIQ, by ``turns`` of the colour circle (red to green).

    Luma (Rec. 601) and greys do not change, unlike luma in a rotation of HSV's hue. Values may leave [0, 1].
    """
    to_yiq = clip.new_tensor([[0.299, 0.587, 0.114], [0.5959, -0.2746, -0.3213], [0.2115, -0.5227, 0.3112]])
    angle = 2 * math.pi * turns
    turn = torch.zeros(len(turns), 3, 3, dtype=clip.dtype, device=clip.device)
    turn[:, 0, 0] = 1
    turn[:, 1, 1] = turn[:, 2, 2] = angle.cos()
    turn[:, 1, 2] = angle.sin()
    turn[:, 2, 1] = -angle.sin()
    matrix = torch.linalg.inv(to_yiq) @ turn @ to_yiq
    return torch.bmm(matrix, clip.flatten(2)).view_as(clip)


class Mixup(nn.Module):
    """Mixup or cutmix of each clip with its neighbour in the batch, on label-smoothed soft targets.

    mixup: Zhang et al. 2018 (arXiv 1710.09412); cutmix: Yun et al. 2019 (arXiv 1905.04899). A batch uses one of the
    two, with one weight. kornia's RandomMixUpV2 and RandomCutMixV2 do not fit: they take single images, return index
    triples instead of soft targets, and cannot alternate. A cutmix box is the same in all frames; targets are weighted
    by its true area after clipping at the border. The last clip is mixed with the first.
    """

    def __init__(self, config: MixupConfig, num_classes: int) -> None:
        super().__init__()
        self.config = config
        self.num_classes = num_classes

    @torch.no_grad()
    def forward(
        self,
        clip: Float[Tensor, "batch 3 time height width"],
        target: Int64[Tensor, " batch"] | Float[Tensor, "batch classes"],
    ) -> tuple[Float[Tensor, "batch 3 time height width"], Float[Tensor, "batch classes"]]:
        """Return the mixed clips and soft targets that sum to 1; the given targets may be class indices or soft."""
        clip, share = self.mix_clips(clip)
        return clip, mix_with_neighbours(self.soften(target), share)

    @torch.no_grad()
    def soften(
        self, target: Int64[Tensor, " batch"] | Float[Tensor, "batch classes"]
    ) -> Float[Tensor, "batch classes"]:
        """Return label-smoothed soft targets that sum to 1."""
        smoothing = self.config.label_smoothing
        soft = (F.one_hot(target, self.num_classes) if target.ndim == 1 else target).float()
        return soft * (1 - smoothing) + smoothing / self.num_classes

    @torch.no_grad()
    def mix_clips(
        self, clip: Float[Tensor, "batch 3 time height width"]
    ) -> tuple[Float[Tensor, "batch 3 time height width"], float]:
        """Return the mixed clips, and the share of each that is still its own, for ``mix_with_neighbours``."""
        config = self.config
        use_cutmix = config.cutmix_alpha > 0 and (
            config.mixup_alpha == 0 or float(torch.rand(())) < config.switch_probability
        )
        if use_cutmix:
            return _cutmix(clip, config.cutmix_alpha)
        share = _draw_share(config.mixup_alpha) if config.mixup_alpha > 0 else 1.0
        return mix_with_neighbours(clip, share), share


def mix_with_neighbours(values: Float[Tensor, "batch *rest"], share: float) -> Float[Tensor, "batch *rest"]:
    """Return ``share`` of each row plus the rest of the row before it, the first row's being the last.

    NaN, an unknown value, stays unknown and makes what it is mixed into unknown; a share of 1 mixes nothing.

    Example:
        >>> import torch
        >>> from ifdd.data.transforms import mix_with_neighbours
        >>> mix_with_neighbours(torch.tensor([0.0, 1.0, torch.nan, 0.0]), 0.75)
        tensor([0.0000, 0.7500,    nan,    nan])
    """
    return values if share == 1 else values.lerp(values.roll(1, 0), 1 - share)


def _cutmix(
    clip: Float[Tensor, "batch 3 time height width"], alpha: float
) -> tuple[Float[Tensor, "batch 3 time height width"], float]:
    """Return clips with a box pasted in from their neighbour, and the share of the area that is not replaced."""
    height, width = clip.shape[-2:]
    side = math.sqrt(1 - _draw_share(alpha))
    top, bottom = _draw_interval(height, side)
    left, right = _draw_interval(width, side)
    mixed = clip.clone()
    mixed[..., top:bottom, left:right] = clip.roll(1, 0)[..., top:bottom, left:right]
    return mixed, 1 - (bottom - top) * (right - left) / (height * width)


def _draw_interval(length: int, share: float) -> tuple[int, int]:
    """Return start and end of an interval of ``share`` of a side around a random centre, clipped to the side."""
    centre = int(torch.randint(length, ()))
    extent = round(length * share)
    start = centre - extent // 2
    return max(start, 0), min(start + extent, length)


def _draw_share(alpha: float) -> float:
    return float(torch.distributions.Beta(alpha, alpha).sample())
