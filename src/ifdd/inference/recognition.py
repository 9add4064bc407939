"""Results with methods: show, write and load them."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ifdd.files import expand
from ifdd.inference.fiftyone import to_fiftyone
from ifdd.inference.outputs.document import document_pieces, read_document, to_document
from ifdd.inference.outputs.pictures.plot import plot_timeline
from ifdd.inference.outputs.summary import summarize
from ifdd.inference.outputs.tables import csv_pieces, timeline_rows, to_dataframe
from ifdd.inference.outputs.write import write
from ifdd.inference.results import Results

if TYPE_CHECKING:
    import fiftyone
    import matplotlib.figure
    import pandas


@dataclass(frozen=True)
class Recognition(Results):
    """The expressions of the people in one video, with methods to show, write and load them.

    All times are seconds from the first frame read.
    """

    @classmethod
    def load(cls, path: str | Path) -> "Recognition":
        """Load results from a .json file, in the current version of the format or in an earlier one (1.x).

        Earlier versions lack the frame size: ``video.width`` and ``video.height`` are then 0.

        Raises:
            InputError: the file does not exist, cannot be read, or does not hold results of ``ifdd recognize``.

        Example:
            >>> from ifdd import Recognition
            >>> from ifdd.inference import ModelInfo, VideoInfo
            >>> video = VideoInfo("sea.mp4", frames=50, fps=25.0, duration_seconds=2.0, width=640, height=360)
            >>> model = ModelInfo("ifdd_tiny", 16, 96, 1.6, classes=("happy", "sad"), face_detector="haar")
            >>> Recognition(video, model, tracks=()).write("sea.json")
            >>> Recognition.load("sea.json").face_share
            0.0
        """
        return read_document(expand(path), cls)

    def write(self, path: str | Path) -> None:
        """Write the results in the format of the path's suffix, whole or not at all.

        .json: everything. .csv, .parquet: the timeline. .frames.csv: a row for each person and frame. .statistics.csv:
        measurements of every frame. _events.tsv: the segments as BIDS events, with _events.json. .vtt, .srt: captions.
        .eaf (ELAN), .textgrid (Praat): the segments. .png, .svg: the plot. .mp4: the annotated video, for
        which the video is decoded again.

        Raises:
            InputError: the suffix is unknown, a library that the format needs is not installed, the path cannot be
                written to, or (.mp4) the video cannot be read again.
        """
        write(self, expand(path))

    def plot(self) -> "matplotlib.figure.Figure":
        """Draw the segments and probabilities of all people over time, as a matplotlib figure.

        Raises:
            InputError: matplotlib is not installed.
        """
        return plot_timeline(self)

    def summary(self) -> str:
        """Return a summary of a few lines."""
        return summarize(self)

    def to_dict(self) -> dict[str, Any]:
        """Return the content of the .json file: seconds to 0.1 ms, pixels to 0.01, scores and probabilities to 1e-6.

        For an hour of video, this may take several GB of memory; ``write`` does not need them.
        """
        return to_document(self)

    def to_json(self) -> str:
        """Return the content of the .json file as text."""
        return "".join(document_pieces(self))

    def to_csv(self) -> str:
        """Return the timeline as CSV text; only the header for a video without faces."""
        return "".join(csv_pieces(self))

    def to_dataframe(self) -> "pandas.DataFrame":
        """Return the timeline as a pandas DataFrame, with the columns of ``timeline_rows``.

        Raises:
            InputError: pandas is not installed.
        """
        return to_dataframe(self)

    def to_fiftyone(self) -> "fiftyone.Sample":
        """Return the results as a sample for a dataset of FiftyOne, which shows videos and searches them by label.

        ``expressions`` holds the segments (temporal detections with person, quality and flaw), the field ``faces`` of
        each frame the boxes (detections with the person as index, label, probabilities, detection score and quality).
        FiftyOne counts frames from the start of the file: read the video from its beginning.

        Raises:
            InputError: FiftyOne is not installed, the results lack the size of the frames (files of version 1), or
                their source is not a video file.
        """
        return to_fiftyone(self)

    def timeline_rows(self) -> Iterator[dict[str, int | float | str]]:
        """Yield the timeline as flat rows, one per window and track.

        A row holds track, start_seconds, end_seconds, start_frame and end_frame (the first and the last frame shown in
        the window), the probability of each class, the intensity of each action unit (``AU01``, ..., 0 to 1) if the
        model predicts them, quality (of the face, 0 to 1), and notice (a limitation of the model, or "").
        """
        return timeline_rows(self)
