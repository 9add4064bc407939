"""A picture of a group of videos: how long people showed what."""

import warnings
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from ifdd.analysis.rows import Summary
from ifdd.errors import InputError
from ifdd.files import atomic_path, check_writable
from ifdd.inference.outputs.style import UNCERTAIN_COLOUR, class_colours
from ifdd.inference.results import UNCERTAIN
from ifdd.names import printable

if TYPE_CHECKING:
    import matplotlib.figure

PICTURES = (".png", ".svg", ".pdf")
"""Suffixes of pictures."""

LARGEST_ROWS = 40
"""Rows below the first one; further ones are only counted."""

UNNAMED = "other events"
"""Row of the events without a name, if others have one."""

LONGEST_NAME = 36
"""Characters of a row's name."""


def group_shares(summaries: Sequence[Summary]) -> dict[str, dict[str, float]]:
    """Return row -> label -> share of the time of all people in it.

    The first row is the mean over the other rows, so that a long video does not outweigh the others. These are the
    videos if every period is a whole video or has no name, else the names of the periods.

    Args:
        summaries: a period of a video each.
    """
    named = any(each.period.name for each in summaries)
    names = {} if named else _names_of({each.result: str(each.results.video.path) for each in summaries})
    seconds: dict[str, dict[str, float]] = {}
    for each in summaries:
        row = (each.period.name or UNNAMED) if named else names[each.result]
        sums = seconds.setdefault(row, {})
        for person in each.people:
            for label in person.labels:
                sums[label.label] = sums.get(label.label, 0.0) + label.seconds
    shares = {
        row: {label: value / sum(sums.values()) for label, value in sums.items()}
        for row, sums in seconds.items()
        if sum(sums.values()) > 0
    }
    labels = dict.fromkeys(label for row in shares.values() for label in row)
    mean = {label: sum(row.get(label, 0.0) for row in shares.values()) / len(shares) for label in labels}
    return {"mean of all" if "mean" in shares else "mean": mean, **shares} if shares else {}


def _names_of(videos: Mapping[Path, str]) -> dict[Path, str]:
    """Return a different name for each video: that of its file, with the folder if several have it, or its result's.

    Args:
        videos: file of results -> video.
    """
    files = {result: Path(video).name for result, video in videos.items()}
    longer = {result: "/".join(Path(video).parts[-2:]) for result, video in videos.items()}
    of_files, of_longer = Counter(files.values()), Counter(longer.values())
    found = {}
    for result, name in files.items():
        if of_files[name] == 1:
            found[result] = name
        elif of_longer[longer[result]] == 1:
            found[result] = longer[result]
        else:
            found[result] = result.with_suffix("").as_posix()
    return found


def check_picture(path: Path) -> None:
    """Check up front that a picture can be written.

    Raises:
        InputError: the suffix is not in ``PICTURES``, matplotlib is not installed, or the file cannot be written.
    """
    if path.suffix.lower() not in PICTURES:
        raise InputError(f"--plot {path}: unknown kind of picture '{path.suffix}'; use {', '.join(PICTURES)}")
    figure_class()
    check_writable(path)


def figure_class() -> "type[matplotlib.figure.Figure]":
    """Return matplotlib's figure.

    Raises:
        InputError: matplotlib is not installed.
    """
    try:
        from matplotlib.figure import Figure
    except ModuleNotFoundError as error:
        raise InputError("a plot needs matplotlib, which is not installed: pip install 'ifdd[plot]'") from error
    return Figure


def plot_group(summaries: Sequence[Summary]) -> "matplotlib.figure.Figure":
    """Draw the shares of time as one bar for each video, or for each kind of event, under their mean.

    Raises:
        InputError: matplotlib is not installed, or nobody is in sight.
    """
    shares = group_shares(summaries)
    if not shares:
        raise InputError("there is nothing to plot: no person was recognised in these videos and periods")
    classes = list(dict.fromkeys(name for each in summaries for name in each.results.classes))
    colours = class_colours(classes) | {UNCERTAIN: UNCERTAIN_COLOUR}
    shown = list(shares.items())[: LARGEST_ROWS + 1]
    figure = figure_class()(figsize=(10, 1.6 + 0.32 * len(shown)), facecolor="white", layout="constrained")
    axes = figure.subplots()
    places = [0.0, *(number + 0.4 for number in range(1, len(shown)))]
    lefts = [0.0] * len(shown)
    for label in (*classes, UNCERTAIN):
        widths = [100 * row.get(label, 0.0) for _, row in shown]
        red, green, blue = colours[label]
        axes.barh(
            places,
            widths,
            left=lefts,
            color=(red / 255, green / 255, blue / 255),
            edgecolor="white",
            linewidth=0.6,
            hatch="////" if label == UNCERTAIN else None,
            label=" ".join(printable(label).split()),
        )
        lefts = [left + width for left, width in zip(lefts, widths, strict=True)]
    axes.set_yticks(places, [_short(name) for name, _ in shown], parse_math=False)
    axes.invert_yaxis()
    more = len(shares) - len(shown)
    axes.set_xlabel("share of the time with a face in %" + (f"   ({more} rows more)" if more else ""))
    axes.set_xlim(0, 100)
    axes.spines[["top", "right", "left"]].set_visible(False)
    axes.tick_params(axis="y", length=0)
    figure.legend(loc="outside upper center", ncols=min(8, len(classes) + 1), frameon=False, fontsize=9)
    notice = next((each.results.model.notice for each in summaries if each.results.model.notice), "")
    if notice:
        figure.supxlabel(notice, size=7.5, color="#a03010", wrap=True, parse_math=False)
    return figure


def write_group_plot(summaries: Sequence[Summary], path: Path) -> None:
    """Write the picture in the image format of the path's suffix.

    Raises:
        InputError: matplotlib is not installed, nobody is in sight, or the file cannot be written.
    """
    figure = plot_group(summaries)
    with atomic_path(path, private=True) as temporary, warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Glyph .* missing")  # shown as a box
        figure.savefig(temporary, dpi=150)


def _short(name: str) -> str:
    name = " ".join(printable(name).split())
    half = (LONGEST_NAME - 3) // 2
    return name if len(name) <= LONGEST_NAME else f"{name[:half]}...{name[-half:]}"
