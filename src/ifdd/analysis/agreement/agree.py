"""``ifdd agree``: compare results with what a person coded."""

import shlex
import sys
from pathlib import Path

from ifdd.analysis.agreement.agreement import AgreementOptions, Coded, Person, compare_people, measure_agreement
from ifdd.analysis.agreement.report import agreement_tables, write_agreement_plot
from ifdd.analysis.plot import check_picture
from ifdd.analysis.reading import find_results, read_all
from ifdd.annotations.reading import READERS, read_annotations
from ifdd.annotations.renaming import parse_choices
from ifdd.console import console, error_console
from ifdd.errors import InputError, check_range
from ifdd.files import check_writable, expand, refuse_replacing
from ifdd.names import listed
from ifdd.records import AgreementPair


def agree(
    result: Path,
    annotation: Path,
    *,
    people: str = "",
    rename: str = "",
    synonyms: bool = False,
    gaps: str = "",
    bin_seconds: float = 0.1,
    out: Path | None = None,
    plot: Path | None = None,
) -> None:
    """Compare results with a person's coding: Cohen's kappa in time bins, segment F1, onset differences, confusion.

    The same video must have been coded by hand, in ELAN (.eaf), Praat (.TextGrid), BORIS (aggregated or tabular events)
    or a table with start_seconds, end_seconds, label and, optionally, person. docs/annotations.md defines every score.

    Args:
        result: Result of 'ifdd recognize' (.json), or a folder of them.
        annotation: File of annotations, or a folder with one for each result, of the same name.
        people: Tracks that each tier is compared with, such as 'Anna=1,Ben=2+4'; other tiers are left out. Default:
            tiers called after the number of a track ("track 2") belong to it, a single tier to all tracks.
        rename: Labels of the coder that stand for a class, such as 'smile=happy,other='; with nothing behind the equals
            sign, a label is left out.
        synonyms: Take other spellings of an emotion for its class: happiness for happy.
        gaps: Class that the coder means where nothing is annotated, such as neutral. Default: such time is not
            compared.
        bin_seconds: Length of the bins of time in seconds.
        out: File to write the scores to, with the suffix .json. Default: nothing is written.
        plot: Picture to write, .png, .svg or .pdf: timelines of both, and the confusion matrix.

    Raises:
        InputError: a file cannot be read, the annotations do not fit the video, its people or the classes, or the
            results have different classes.
    """
    check_range("--bin-seconds", bin_seconds, at_least=0.01, at_most=10)
    options = AgreementOptions(
        bin_seconds, gaps, parse_choices("--people", people), parse_choices("--rename", rename), synonyms
    )
    out, plot = (None if path is None else expand(path) for path in (out, plot))
    if out is not None:
        if out.suffix.lower() != ".json":
            raise InputError(f"cannot write {out}: name it with the suffix .json")
        check_writable(out)
    if plot is not None:
        check_picture(plot)
    persons: list[Person] = []
    pairs: list[AgreementPair] = []
    classes: tuple[str, ...] = ()
    files = _pair_files(expand(result), expand(annotation))
    if out is not None:
        refuse_replacing(out, "a result that is compared", *(path for path, _ in files))
    for results, (path, coding) in zip(read_all(tuple(path for path, _ in files)), files, strict=True):
        if classes and results.classes != classes:
            raise InputError(f"{path} has other classes than {files[0][0]}; compare results of one model")
        classes = results.classes
        found, pair = compare_people(Coded(path, results, read_annotations(coding)), options)
        persons += found
        pairs.append(pair)
        for note in pair.notes:
            error_console.print(f"note: {coding}: {note}", highlight=False, markup=False, soft_wrap=True)
    command = "ifdd " + shlex.join(sys.argv[1:])
    record = measure_agreement(persons, pairs, classes, bin_seconds, command)
    if out is not None:
        record.write(out)
    if plot is not None:
        write_agreement_plot(persons, record, plot)
    console.print(agreement_tables(record), highlight=False)
    for written in (out, plot):
        if written is not None:
            console.print(f"Written to {written}", highlight=False, markup=False, soft_wrap=True)


def _pair_files(result: Path, annotation: Path) -> list[tuple[Path, Path]]:
    """Return the files of results, each with the file of its annotations.

    Raises:
        InputError: a file or folder does not exist, or nothing fits together.
    """
    if not annotation.is_dir():
        if result.is_dir():
            raise InputError(
                f"{result} is a folder and {annotation} is not; give a file of results, or a folder of annotations"
            )
        return [(result, annotation)]
    codings: dict[str, Path] = {}
    for path in sorted(annotation.iterdir()):
        if path.suffix.lower() in READERS:
            if path.stem in codings:
                raise InputError(f"{codings[path.stem]} and {path} are annotations of one video; keep one of them")
            codings[path.stem] = path
    found = find_results(result).paths
    pairs = [(path, codings[path.stem]) for path in found if path.stem in codings]
    first: dict[Path, Path] = {}
    for path, coding in pairs:
        if (other := first.setdefault(coding, path)) != path:
            raise InputError(f"{coding} could belong to {other} or to {path}; compare the folders of both one by one")
    if not pairs:
        names = listed([path.stem for path in found], 4)
        raise InputError(
            f"no file in {annotation} is called after a result in {result} ({names}); give both the name of the video"
        )
    left = sorted(codings.keys() - {path.stem for path in found})
    if left:
        error_console.print(f"note: annotations without a result: {listed(left, 5)}", highlight=False, markup=False)
    return pairs
