"""ClipDataset: from the samples of a manifest to (clip, target) pairs."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np
import torch
from jaxtyping import Int64, UInt8
from torch import Tensor
from torch.utils.data import Dataset

from ifdd.data.labels import class_indices, class_names
from ifdd.data.manifest import Sample
from ifdd.data.packs.reader import Pack, is_pack
from ifdd.data.sampling import SAMPLERS, SEVERAL_VIEWS, clip_positions, crop_corners
from ifdd.errors import InputError, check_range
from ifdd.video.frames import read_images
from ifdd.video.images import resize_shorter_side


class ClipDataset(Dataset[tuple[Tensor, int]]):
    """The samples' clips as square uint8 tensors, each with the index of its class.

    ``dataset[i]`` is ``(clip, target)``: the clip is (3, T, size, size), or (views, 3, T, size, size) if the
    sampling gives several views or ``crops`` is above 1; the crops of a clip are consecutive views. Frames are resized
    without distortion, their shorter side to ``size``, and then cropped to squares. They come from videos, folders of
    images and packs alike.

    In training, each epoch draws new frames from (seed, epoch, index) alone, independent of the number of worker
    processes and the order of loading. Call ``set_epoch`` before iterating over the loader in each epoch.

    Args:
        samples: the output of ``read_manifest``.
        classes: a name in ``LABEL_SETS``, or the class names in the order of the targets.
        clip_length: T, frames per clip.
        size: side of a clip in pixels.
        sampling: a name in ``SAMPLERS``.
        stride: step in frames within a clip, for samplers with a stride; in ticks of ``clock_fps``.
        views: clips per video, for ``spaced_clips``.
        crops: square crops per frame, 1 to 3: see ``crop_corners``.
        training: draw frames at random; otherwise use the sampler's fixed choice.
        seed: of the random draws.
        clock_fps: ticks a second of the clock through which clips of known rates are sampled, see ``timing``; None
            counts the frames of evenly spaced clips, whatever their rates.
        synonyms: read other spellings of an emotion as its class, see ``class_indices``.
        cache: keep the resized frames of every video in memory, ``crops * frames * size * size * 3`` bytes each.

    Raises:
        InputError: the sampling is unknown, a label has no class, training asks for several views, a number is out of
            range, there are no samples, or a pack lacks clips or cannot be opened; from ``dataset[i]``: a video is
            unreadable or has fewer frames than its sample says.
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
        views: int = 2,
        crops: int = 1,
        training: bool = False,
        seed: int = 0,
        clock_fps: float | None = None,
        synonyms: bool = False,
        cache: bool = False,
    ) -> None:
        if sampling not in SAMPLERS:
            raise InputError(f"unknown sampling {sampling!r}; choose one of {', '.join(SAMPLERS)}")
        if training and (sampling in SEVERAL_VIEWS or crops != 1):
            raise InputError(
                f"sampling {sampling!r} with {crops} crops gives several views, for tests only; choose another "
                "sampling and 1 crop for training"
            )
        check_range("clock_fps", clock_fps, above=0)
        for name, number in {"clip_length": clip_length, "size": size, "stride": stride, "views": views}.items():
            check_range(name, number, at_least=1)
        check_range("crops", crops, at_least=1, at_most=3)
        if not samples:
            raise InputError("there are no clips to load; check the manifest and the selected subset and fold")
        self.samples = list(samples)
        self.classes = class_names(classes)
        self.targets = class_indices([sample.label for sample in self.samples], self.classes, synonyms)
        """Index of the class of each sample."""
        self.clip_length = clip_length
        self.size = size
        self.sampling = sampling
        self.stride = stride
        self.clock_fps = clock_fps
        self.synonyms = synonyms
        self.views = views
        self.crops = crops
        self.training = training
        self.seed = seed
        self._cache: dict[int, np.ndarray] | None = {} if cache else None
        self._packs = _open_packs(self.samples)
        # In shared memory, so that persistent worker processes see the new epoch too.
        self._epoch = torch.zeros((), dtype=torch.int64).share_memory_()

    def __len__(self) -> int:
        return len(self.samples)

    def __getitem__(self, index: int) -> tuple[UInt8[Tensor, "*views 3 time height width"], int]:
        indices = self.frame_indices(index)
        planes = self._planes(index, indices.reshape(-1))
        clips = planes.reshape(len(planes), 3, -1, *indices.shape[-1:], self.size, self.size)
        views = clips.transpose(2, 0, 1, 3, 4, 5).reshape(-1, 3, *clips.shape[3:])
        several = self.crops > 1 or self.sampling in SEVERAL_VIEWS
        return torch.from_numpy(views if several else views[0]), self.targets[index]

    def set_epoch(self, epoch: int) -> None:
        """Select the random draws of an epoch, in this process and in the loader's workers."""
        self._epoch.fill_(epoch)

    def frame_indices(self, index: int) -> Int64[np.ndarray, "*views time"]:
        """Return the frames in the clip of sample ``index``, in training for the current epoch."""
        generator = None
        if self.training:
            generator = np.random.default_rng([self.seed, int(self._epoch), index])
        sample = self.samples[index]
        return clip_positions(
            self.sampling,
            sample.frames,
            self.clip_length,
            self.stride,
            self.views,
            generator,
            sample.timing,
            self.clock_fps,
        )

    def preload(self, advance: Callable[[], object] = lambda: None) -> None:
        """Fill the cache, if enabled; worker processes forked later share its memory.

        Args:
            advance: called after each video, for a progress bar.
        """
        for index in range(len(self)):
            if self._cache is not None:
                self._cached_planes(self._cache, index)
            advance()

    def _planes(
        self, index: int, wanted: Int64[np.ndarray, " frames"]
    ) -> UInt8[np.ndarray, "crops 3 frames height width"]:
        """Return the wanted frames of a sample, repeats included, from the cache if enabled."""
        if self._cache is not None:
            return self._cached_planes(self._cache, index)[:, :, wanted]
        unique, places = np.unique(wanted, return_inverse=True)
        planes = self._read_planes(index, unique)
        return planes if np.array_equal(unique, wanted) else planes[:, :, places]

    def _cached_planes(
        self, cache: dict[int, np.ndarray], index: int
    ) -> UInt8[np.ndarray, "crops 3 frames height width"]:
        """Return all frames of a sample; the first call reads them."""
        if index not in cache:
            cache[index] = self._read_planes(index, np.arange(self.samples[index].frames))
        return cache[index]

    def _read_planes(
        self, index: int, positions: Int64[np.ndarray, " frames"]
    ) -> UInt8[np.ndarray, "crops 3 frames height width"]:
        """Read frames of a sample, resized and cropped, as colour planes."""
        sample, fit = self.samples[index], (self.size, self.crops)
        if sample.path in self._packs:
            return colour_planes(fit_frames(self._packs[sample.path].read_images(sample.clip_id, positions), *fit))
        return colour_planes(fit_frames(read_images(sample.path, positions), *fit))


def _open_packs(samples: Sequence[Sample]) -> dict[Path, Pack]:
    """Open the samples' packs and check that they contain the clips; workers forked later share the indices."""
    packs = {path: Pack(path) for path in {sample.path for sample in samples} if is_pack(path)}
    for sample in samples:
        if sample.path in packs and packs[sample.path].frames(sample.clip_id) < sample.frames:
            raise InputError(
                f"{sample.path} has {packs[sample.path].frames(sample.clip_id)} frames of clip {sample.clip_id!r}, the "
                f"manifest says {sample.frames}; prepare the dataset again"
            )
    return packs


def fit_frames(
    frames: Sequence[UInt8[np.ndarray, "_ _ 3"]] | UInt8[np.ndarray, "frames height width 3"],
    size: int,
    crops: int = 1,
) -> UInt8[np.ndarray, "crops frames {size} {size} 3"]:
    """Resize frames so that the shorter side has ``size`` pixels, then crop squares: see ``crop_corners``.

    Reduction averages over areas; enlargement is bilinear. Frames may differ in size; each fills its squares.
    """
    if len({frame.shape for frame in frames}) > 1:
        fitted = [fit_frames(frame[None], size, crops) for frame in frames]
        most = max(map(len, fitted))  # a square frame has one crop only: it is repeated
        return np.concatenate([one if len(one) == most else one.repeat(most, axis=0)[:most] for one in fitted], axis=1)
    if min(frames[0].shape[:2]) != size:
        frames = [resize_shorter_side(frame, size) for frame in frames]
    stacked = np.asarray(frames)
    corners = crop_corners(stacked.shape[1], stacked.shape[2], crops)
    squares = [stacked[:, top : top + size, left : left + size] for top, left in corners]
    return squares[0][None] if len(squares) == 1 else np.stack(squares)


def colour_planes(
    frames: UInt8[np.ndarray, "crops frames height width 3"],
) -> UInt8[np.ndarray, "crops 3 frames height width"]:
    """Move the colour axis before the frames; OpenCV is ten times as fast at this as NumPy and torch."""
    crops, count, height, width, _ = frames.shape
    planes = np.empty((crops, 3, count, height, width), np.uint8)
    for target, source in zip(planes, frames, strict=True):
        cv2.split(np.ascontiguousarray(source).reshape(-1, width, 3), list(target.reshape(3, -1, width)))
    return planes


class ViewBatch(NamedTuple):
    """The concatenated views of several samples, which may have different numbers of views."""

    views: UInt8[Tensor, "views 3 time height width"]
    owners: Int64[Tensor, " views"]
    """Position in the batch of each view's sample."""
    targets: Int64[Tensor, " samples"]


def collate_views(items: Sequence[tuple[Tensor, int]]) -> ViewBatch:
    """Batch the items of a ``ClipDataset``, whatever their number of views: the loader's ``collate_fn``."""
    views = [clip if clip.ndim == 5 else clip[None] for clip, _ in items]
    counts = torch.tensor([len(view) for view in views])
    owners = torch.arange(len(items)).repeat_interleave(counts)
    return ViewBatch(torch.cat(views), owners, torch.tensor([target for _, target in items]))


def plain_input_error(error: InputError) -> InputError:
    """Return the one-line error that a data loader's worker wrapped in a traceback; other errors unchanged.

    PyTorch re-raises a worker's exception with the whole traceback as message; its last line is the original error.
    """
    message = str(error).strip()
    if "DataLoader worker" not in message:
        return error
    return InputError(message.splitlines()[-1].partition(f"{InputError.__name__}: ")[2])
