"""``ifdd report``: one self-contained page of training runs, evaluations and cross-validations."""

from pathlib import Path

from ifdd.console import console
from ifdd.errors import InputError, check_range
from ifdd.files import check_writable, expand, write_text
from ifdd.model import choose_device
from ifdd.reporting.clips import Clips
from ifdd.reporting.gallery import Gallery
from ifdd.reporting.page import report_page
from ifdd.reporting.reading import read_runs


def report(
    results: list[str] = [],  # noqa: B006 (not changed)
    *,
    out: Path = Path("report.html"),
    hardest: int = 8,
    manifest: Path | None = None,
    skip_heat_maps: bool = False,
    device: str = "auto",
) -> None:
    """Write a page of results: scores with intervals, confusion matrix, calibration, curves, hardest clips, protocol.

    The page is one HTML file that loads nothing from outside. Several results stand side by side; those that were
    tested on the same clips are compared clip by clip with the first one. A training run and the evaluation of its best
    checkpoint become one.

    Args:
        results: Folders that 'ifdd train', 'ifdd evaluate --out' or 'ifdd crossval' wrote. The first one is the
            reference of comparisons.
        out: File to write, with the suffix .html.
        hardest: Number of clips of each run to show: those with the lowest probability of their true class.
        manifest: Manifest of the dataset, CSV or Parquet, as 'ifdd prepare' or 'ifdd synth' writes it, to read these
            clips from. Default: the one of the evaluation.
        skip_heat_maps: Do not draw what the model looked at in these clips. Heat maps need its checkpoint.
        device: Device to run the model on: auto (a CUDA GPU if there is one, otherwise the CPU), cpu, cuda, cuda:1 (the
            second GPU) or mps (the GPU of a Mac).

    Raises:
        InputError: a folder has no results or damaged ones, their classes differ, or the page cannot be written.
    """
    check_range("--hardest", hardest, at_least=0)
    if not results:
        raise InputError("name at least one folder that 'ifdd train', 'ifdd evaluate --out' or 'ifdd crossval' wrote")
    out = expand(out)
    if out.suffix.lower() not in (".html", ".htm"):  # which no result has
        raise InputError(f"cannot write {out}: name it with the suffix .html")
    check_writable(out)
    chosen = choose_device(device)  # refuses one that is not there before anything is read
    clips = Clips(manifest)
    runs = [clips.with_people(run) for run in read_runs(results)]
    gallery = Gallery(clips, hardest, not skip_heat_maps, chosen)
    write_text(out, report_page(runs, gallery), private=True)
    console.print(f"Written to {out}", highlight=False, markup=False, soft_wrap=True)
