"""Record of which frames of a video are tested."""

from dataclasses import dataclass

from ifdd.records.record import Record


@dataclass(frozen=True)
class SamplingOptions(Record):
    """The sampling of frames in a test, as the user chose it."""

    name: str
    """Name of the sampling."""
    stride: int | None
    """Step between the frames of a clip, in frames; None if the sampling does not use it."""
    temporal_views: int | None
    """Clips per video; None if the sampling does not use it."""
    crops: int
    """Square crops per frame."""
