"""``ifdd summarize``: from timelines to a table for statistics."""

import csv
import io
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Literal

from ifdd.analysis.measures import measure
from ifdd.analysis.periods import Events, Period, read_events, windows_of
from ifdd.analysis.plot import check_picture, write_group_plot
from ifdd.analysis.reading import find_results, read_all
from ifdd.analysis.rows import Summary, SummaryTable, make_table
from ifdd.console import console, error_console
from ifdd.errors import InputError, check_range
from ifdd.files import check_writable, expand, refuse_replacing, write_pieces
from ifdd.inference.results import Results
from ifdd.names import listed
from ifdd.parquet import pyarrow, write_parquet

SEPARATORS = {".csv": ",", ".tsv": "\t"}
"""Suffix of a table as text -> its separator."""


def summarize(
    results: Path,
    out: Path,
    *,
    per: Literal["person", "label", "transition"] = "person",
    period_seconds: float | None = None,
    events: Path | None = None,
    plot: Path | None = None,
) -> None:
    """Turn timelines into a table: shares of time, episodes, onsets and transitions of every person in every video.

    A person is a track of 'ifdd recognize': one person within a shot. docs/summaries.md defines every column. The table
    is tidy, so R, pandas and spreadsheets read it as it is.

    Args:
        results: Folder with results of 'ifdd recognize', searched at any depth, or one .json file.
        out: File to write the table to: .csv, .tsv or .parquet.
        per: What a row stands for: a person in a video, with columns for each class; a label (long form): a class, or
            uncertain, of a person; or a transition: a label that followed another one.
        period_seconds: Divide every video into periods of this length, with rows for each. Default: whole videos.
        events: CSV or TSV file with the columns onset and duration in seconds of player time, and optionally trial_type
            and video (BIDS): rows for each event instead of whole videos.
        plot: Picture of the shares of time to write, .png, .svg or .pdf: a bar for each video, or for each trial_type.

    Raises:
        InputError: there are no results, one is damaged, an event does not fit its video, or a file cannot be written.
    """
    check_range("--period-seconds", period_seconds, above=0)
    if period_seconds is not None and events is not None:
        raise InputError("--period-seconds and --events exclude each other; give one of them")
    out, plot = expand(out), None if plot is None else expand(plot)
    _check_outputs(out, plot)
    place = expand(results)
    given = None
    if events is not None:
        events = expand(events)
        refuse_replacing(out, "the events that are read", events)
        given = read_events(events)
    found = find_results(place)
    if found.others:
        what = "1 other JSON file was" if found.others == 1 else f"{found.others} other JSON files were"
        error_console.print(f"{what} skipped", highlight=False, markup=False)
    summaries = _summarize(place, found.paths, period_seconds, given)
    _warn_of_mixture(summaries)
    table = make_table(summaries, per)
    _write(out, table)
    people = len({(each.result, person.track) for each in summaries for person in each.people})
    console.print(
        f"{out}: rows {len(table.rows)}, videos {len(found.paths)}, periods {len(summaries)}, people {people}",
        highlight=False,
        markup=False,
        soft_wrap=True,
    )
    if plot is not None:
        write_group_plot(summaries, plot)


def _summarize(
    place: Path, paths: tuple[Path, ...], period_seconds: float | None, events: Events | None
) -> list[Summary]:
    """Return a summary for each period of each video; of the results, it keeps neither boxes nor windows."""
    summaries = []
    videos = []
    for path, results in zip(paths, read_all(paths), strict=True):
        relative = path.relative_to(place) if place.is_dir() else Path(path.name)
        bare = _without_tracks(results)
        videos.append(bare)
        for period in _periods(results, period_seconds, events):
            people = (measure(track, period, results.classes) for track in results.tracks)
            summaries.append(Summary(relative, bare, period, tuple(person for person in people if person is not None)))
    if events is not None:
        events.check_videos(videos)
    return summaries


def _without_tracks(results: Results) -> Results:
    return Results(results.video, results.model, ())


def _periods(results: Results, period_seconds: float | None, events: Events | None) -> list[Period]:
    if events is not None:
        return events.of(results)
    if period_seconds is not None:
        return windows_of(results, period_seconds)
    return [Period(0.0, results.video.duration_seconds)]


def _check_outputs(out: Path, plot: Path | None) -> None:
    if out.suffix.lower() == ".parquet":
        pyarrow("lib")
    elif out.suffix.lower() not in SEPARATORS:
        raise InputError(f"{out}: unknown kind of table '{out.suffix}'; use .csv, .tsv or .parquet")
    check_writable(out)
    if plot is not None:
        check_picture(plot)


def _warn_of_mixture(summaries: Sequence[Summary]) -> None:
    """Warn if results come from several models, or one with several class weights: their numbers do not compare."""
    models = {}
    for model in (each.results.model for each in summaries):
        weights, name = tuple(sorted(model.class_weights.items())), model.checkpoint or model.name
        words = ", ".join(f"{label} {weight:g}" for label, weight in weights)
        key = (model.checkpoint_sha256 or model.name, weights)
        models[key] = f"{name} with class weights {words}" if weights else name
    if len(models) > 1:
        error_console.print(
            f"warning: the results come from {len(models)} models ({listed(sorted(models.values()), 4)}); compare "
            "people only within one of them, see the column checkpoint, and model.class_weights in the .json files",
            highlight=False,
            markup=False,
            soft_wrap=True,
        )


def _write(path: Path, table: SummaryTable) -> None:
    if path.suffix.lower() == ".parquet":
        write_parquet(path, table.columns, table.rows, private=True)
    else:
        write_pieces(path, _lines(table, SEPARATORS[path.suffix.lower()]), private=True)


def _lines(table: SummaryTable, separator: str) -> Iterator[str]:
    text = io.StringIO()
    writer = csv.DictWriter(text, list(table.columns), delimiter=separator, lineterminator="\n")
    writer.writeheader()
    writer.writerows(table.rows)
    yield text.getvalue()
