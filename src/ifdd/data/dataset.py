"""ClipDataset: samples of a manifest become (clip, target) pairs."""

from collections.abc import Callable, Sequence
from typing import NamedTuple

import cv2
import numpy as np
import torch
from jaxtyping import Int64, UInt8
from torch import Tensor
from torch.utils.data import Dataset

from ifdd.data.labels import class_indices, class_names
from ifdd.data.manifest import Sample
from ifdd.data.sampling import SAMPLERS, SEVERAL_VIEWS
from ifdd.data.video import read_frames
from ifdd.errors import InputError


class ClipDataset(Dataset[tuple[Tensor, int]]):
    """Clips of the samples, as square uint8 tensors, each with the index of its class.

    ``dataset[i]`` is ``(clip, target)``: the clip is (3, T, size, size), or (views, 3, T, size, size) if the
    sampling gives several views. A frame that is not square is resized without distortion: its shorter side
    to ``size``, then the centre is cut out.

    In training the frames are drawn anew in each epoch, from (seed, epoch, index) alone: the draw depends
    neither on the number of worker processes nor on the order of loading. Call ``set_epoch`` before each
    epoch's iteration over the loader.

    Args:
        samples: what ``read_manifest`` gives.
        classes: a name of ``LABEL_SETS``, or the class names in the order of the targets.
        clip_length: T, frames of a clip.
        size: side of a clip in pixels.
        sampling: a name of ``SAMPLERS``.
        stride: step in frames within a clip, for the samplers that have one.
        training: draw frames at random; otherwise the sampler's fixed choice.
        seed: of the random draws.
        cache: keep the resized frames of every video read in memory, ``frames * size * size * 3`` bytes each.

    Raises:
        InputError: unknown sampling, a label without class, several views in training, or no samples;
            from ``dataset[i]``: a video that cannot be read or has fewer frames than its sample says.
    """

    def __init__(
        self,
        samples: Sequence[Sample],
        classes: str | Sequence[str],
        clip_length: int = 16,
        size: int = 96,
        *,
        sampling: str = "uniform_segments",
        stride: int = 1,
        training: bool = False,
        seed: int = 0,
        cache: bool = False,
    ) -> None:
        if sampling not in SAMPLERS:
            raise InputError(f"unknown sampling {sampling!r}; choose one of {', '.join(SAMPLERS)}")
        if training and sampling in SEVERAL_VIEWS:
            raise InputError(f"sampling {sampling!r} gives several views, for tests; choose another for training")
        if not samples:
            raise InputError("there are no clips to load; check the manifest and the chosen subset and fold")
        self.samples = list(samples)
        self.classes = class_names(classes)
        self.targets = class_indices([sample.label for sample in self.samples], self.classes)
        """Index of the class of each sample."""
        self.clip_length = clip_length
        self.size = size
        self.sampling = sampling
        self.stride = stride
        self.training = training
        self.seed = seed
        self._cache: dict[int, np.ndarray] | None = {} if cache else None
        # Shared memory, so that worker processes that live on see the new epoch too.
        self._epoch = torch.zeros((), dtype=torch.int64).share_memory_()

    def __len__(self) -> int:
        return len(self.samples)

    def __getitem__(self, index: int) -> tuple[UInt8[Tensor, "*views 3 time height width"], int]:
        indices = self.frame_indices(index)
        frames = torch.from_numpy(self._frames(index, indices))
        return frames.movedim(-1, -4).contiguous(), self.targets[index]

    def set_epoch(self, epoch: int) -> None:
        """Choose the random draws of an epoch, in this process and in the loader's workers."""
        self._epoch.fill_(epoch)

    def frame_indices(self, index: int) -> Int64[np.ndarray, "*views time"]:
        """Return which frames of sample ``index`` make its clip (in training: in the current epoch)."""
        generator = None
        if self.training:
            generator = np.random.default_rng([self.seed, int(self._epoch), index])
        frames = self.samples[index].frames
        return SAMPLERS[self.sampling](frames, self.clip_length, self.stride, generator)

    def preload(self, advance: Callable[[], object] = lambda: None) -> None:
        """Fill the cache now; worker processes forked later then share its memory.

        Args:
            advance: called after each video, for a progress bar.
        """
        for index in range(len(self)):
            self._frames(index, np.zeros(1, np.int64))
            advance()

    def _frames(
        self, index: int, indices: Int64[np.ndarray, "*views time"]
    ) -> UInt8[np.ndarray, "*views time height width 3"]:
        """Return the chosen frames, resized, from the cache if there is one."""
        sample = self.samples[index]
        if self._cache is None:
            unique, place = np.unique(indices, return_inverse=True)
            return fit_frames(read_frames(sample.path, unique), self.size)[place.reshape(indices.shape)]
        if index not in self._cache:
            self._cache[index] = fit_frames(read_frames(sample.path, range(sample.frames)), self.size)
        return self._cache[index][indices]


def fit_frames(
    frames: UInt8[np.ndarray, "frames height width 3"], size: int
) -> UInt8[np.ndarray, "frames {size} {size} 3"]:
    """Resize frames so that the shorter side has ``size`` pixels, then cut out the centre square.

    Shrinking averages over areas, enlarging is bilinear.
    """
    height, width = frames.shape[1:3]
    if height == width == size:
        return frames
    scale = size / min(height, width)
    method = cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR
    shape = (max(size, round(width * scale)), max(size, round(height * scale)))
    left, top = (shape[0] - size) // 2, (shape[1] - size) // 2
    fitted = np.empty((len(frames), size, size, 3), np.uint8)
    for target, frame in zip(fitted, frames, strict=True):
        resized = cv2.resize(frame, shape, interpolation=method)
        target[:] = resized[top : top + size, left : left + size]
    return fitted


class ViewBatch(NamedTuple):
    """Views of several samples, one after another; samples may have different numbers of them."""

    views: UInt8[Tensor, "views 3 time height width"]
    owners: Int64[Tensor, " views"]
    """Position in the batch of the sample that each view belongs to."""
    targets: Int64[Tensor, " samples"]


def collate_views(items: Sequence[tuple[Tensor, int]]) -> ViewBatch:
    """Make one batch of what ``ClipDataset`` gives, whatever the number of views: the loader's ``collate_fn``."""
    views = [clip if clip.ndim == 5 else clip[None] for clip, _ in items]
    counts = torch.tensor([len(view) for view in views])
    owners = torch.arange(len(items)).repeat_interleave(counts)
    return ViewBatch(torch.cat(views), owners, torch.tensor([target for _, target in items]))


def plain_input_error(error: InputError) -> InputError:
    """Return the one-line error that a data loader's worker wrapped in a traceback; others unchanged.

    PyTorch re-raises a worker's exception with the whole traceback as its message; its last line is ours.
    """
    message = str(error).strip()
    if "DataLoader worker" not in message:
        return error
    return InputError(message.splitlines()[-1].partition(f"{InputError.__name__}: ")[2])
