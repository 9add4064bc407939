"""The face of the results: what a caller does with them."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ifdd.inference.outputs.document import document_pieces, read_document, to_document
from ifdd.inference.outputs.plot import plot_timeline
from ifdd.inference.outputs.summary import summarize
from ifdd.inference.outputs.tables import csv_pieces, timeline_columns, timeline_rows, to_dataframe
from ifdd.inference.outputs.write import write
from ifdd.inference.results import Results

if TYPE_CHECKING:
    import matplotlib.figure
    import pandas


@dataclass(frozen=True)
class Recognition(Results):
    """The expressions of the people in one video, and the forms in which they are shown, written and read again.

    All times are seconds from the first frame read.
    """

    @classmethod
    def load(cls, path: str | Path) -> "Recognition":
        """Read results that were written as .json, in the current form or in one of ifdd's earlier ones (1.x).

        Earlier forms lack the size of the frame: ``video.width`` and ``video.height`` are then 0.

        Raises:
            InputError: the file does not exist, cannot be read, or is not such a file.
        """
        return read_document(Path(path), cls)

    def write(self, path: str | Path) -> None:
        """Write the results in the form that the path's ending names, whole or not at all.

        .json: everything. .csv, .parquet: the timeline. .statistics.csv: measurements of every frame. .vtt, .srt:
        captions. .eaf (ELAN), .textgrid (Praat): the segments. .png, .svg: the plot. .mp4: the annotated video, for
        which the video is read once more.

        Raises:
            InputError: the ending is another one, a library that the form needs is not installed, the path cannot
                be written to, or (.mp4) the video cannot be read again.
        """
        write(self, Path(path))

    def plot(self) -> "matplotlib.figure.Figure":
        """Draw who shows what when, as a figure of matplotlib.

        Raises:
            InputError: matplotlib is not installed.
        """
        return plot_timeline(self)

    def summary(self) -> str:
        """Return a few lines that a person can read."""
        return summarize(self)

    def to_dict(self) -> dict[str, Any]:
        """Return the JSON form: seconds to 0.1 ms, pixels to 0.01, scores and probabilities to 1e-6.

        An hour of video may take some GB in this form; ``write`` needs none of it.
        """
        return to_document(self)

    def to_json(self) -> str:
        """Return the JSON form as text."""
        return "".join(document_pieces(self))

    def to_csv(self) -> str:
        """Return the timeline as CSV text; a video without faces gives the header alone."""
        return "".join(csv_pieces(self))

    def to_dataframe(self) -> "pandas.DataFrame":
        """Return the timeline as a table of pandas, with the columns of ``timeline_rows``.

        Raises:
            InputError: pandas is not installed.
        """
        return to_dataframe(self)

    @property
    def table_columns(self) -> dict[str, type]:
        """The timeline's columns as a table, and their types."""
        return timeline_columns(self)

    def timeline_rows(self) -> Iterator[dict[str, int | float | str]]:
        """Yield the timeline as flat rows, one for each window of each track.

        They hold track, start_seconds, end_seconds, start_frame and end_frame (the first and the last frame that is
        on screen in the window), the probability of each class, quality (how well the face can be read, 0 to 1), and
        notice: what the model is not fit for, or "".
        """
        return timeline_rows(self)
