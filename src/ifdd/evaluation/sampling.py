"""Which frames of a video a checkpoint is tested on: as its recipe says, or as the user chooses."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any, Literal

from ifdd.data.dataset import ClipDataset
from ifdd.data.manifest import Sample
from ifdd.data.sampling import SAMPLERS
from ifdd.errors import check_range
from ifdd.model import Model
from ifdd.records import CheckpointRecord

Sampling = Literal["uniform_segments", "consecutive_clips", "spaced_clips", "random_clip"]
"""A key of ``SAMPLERS``."""


@dataclass(frozen=True)
class SamplingConfig:
    """The frames of a video that are tested, sampled without randomness."""

    sampling: Sampling = "uniform_segments"
    """Frames of a clip: uniform_segments takes the centre frame of each of equal segments of the video;
    consecutive_clips averages over all consecutive clips; spaced_clips averages over equally spaced clips from the
    start of the video to its end; random_clip takes the middle clip."""
    stride: int = 1
    """Step between the frames of a clip, in ticks of the checkpoint's clock, which are frames if the clips have the
    frame rate that it was trained at; not used by uniform_segments."""
    views: int = 2
    """Clips per video; used by spaced_clips."""
    crops: Literal[1, 2, 3] = 1
    """Square crops per frame, averaged, if frames are not square: 1 the centre, 2 both ends of the longer side, 3 all
    of them."""

    def __post_init__(self) -> None:
        """Check the ranges."""
        check_range("evaluation.stride", self.stride, at_least=1)
        check_range("evaluation.views", self.views, at_least=1)


@dataclass(frozen=True)
class SamplingChoice:
    """What the user chose of a ``SamplingConfig``; None is left to the checkpoint's recipe."""

    sampling: Sampling | None = None
    stride: int | None = None
    views: int | None = None
    crops: Literal[1, 2, 3] | None = None

    def of(self, record: CheckpointRecord) -> SamplingConfig:
        """Return how the recipe of a checkpoint tests it, with what was chosen instead."""
        chosen = {name: value for name, value in asdict(self).items() if value is not None}
        return replace(recipe_sampling(record), **chosen)


def recipe_sampling(record: CheckpointRecord) -> SamplingConfig:
    """Return how the recipe of a checkpoint tests it, the group ``evaluation``; the defaults without a recipe.

    ``ifdd crossval`` tests by the same group, unless it tests a trained fold again with another one.

    Example:
        >>> from ifdd.evaluation.sampling import recipe_sampling
        >>> from ifdd.records import CheckpointRecord
        >>> recipe_sampling(CheckpointRecord(recipe={"evaluation": {"sampling": "spaced_clips", "stride": 4}}))
        SamplingConfig(sampling='spaced_clips', stride=4, views=2, crops=1)
    """
    return _sampling({name: record.recipe_option("evaluation", name) for name in asdict(SamplingConfig())})


def training_sampling(record: CheckpointRecord) -> SamplingConfig:
    """Return the sampling of a checkpoint's training clips, without randomness: one clip of a video.

    Consecutive frames were trained on from random positions; the middle clip stands for them. Without a record, or with
    one of another tool, it is the centre frames of equal segments.
    """
    timing = record.timing
    if timing is not None:
        return _sampling({"sampling": timing.sampling, "stride": timing.stride})
    return _sampling({name: record.recipe_option("data", option) for name, option in _OF_TRAINING.items()})


_OF_TRAINING = {"sampling": "train_sampling", "stride": "stride"}
"""Field of ``SamplingConfig`` -> option of the recipe's group ``data``."""


def _sampling(recorded: dict[str, Any]) -> SamplingConfig:
    """Return a sampling with recorded values; the default where there is none, or none that ifdd knows."""
    known = {
        "sampling": recorded.get("sampling") in tuple(SAMPLERS),
        "stride": _is_count(recorded.get("stride")),
        "views": _is_count(recorded.get("views")),
        "crops": _is_count(recorded.get("crops")) and recorded["crops"] <= 3,
    }
    return SamplingConfig(**{name: recorded[name] for name, is_known in known.items() if is_known})


def _is_count(value: Any) -> bool:
    return type(value) is int and value > 0


def dataset_for(
    model: Model,
    samples: Sequence[Sample],
    how: SamplingConfig,
    *,
    classes: Sequence[str] | None = None,
    synonyms: bool = False,
) -> ClipDataset:
    """Return clips as a checkpoint takes them: its frames, size and clock.

    Args:
        model: the checkpoint, or the exported model.
        samples: the clips.
        how: which of their frames.
        classes: names of the classes; None for the model's.
        synonyms: read other spellings of an emotion as a class of the model.

    Raises:
        InputError: see ``ClipDataset``.
    """
    return ClipDataset(
        samples,
        model.classes if classes is None else classes,
        model.config.frames,
        model.config.size,
        sampling=how.sampling,
        stride=how.stride,
        views=how.views,
        crops=how.crops,
        clock_fps=model.record.clock_fps,
        synonyms=synonyms,
    )
