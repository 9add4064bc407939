"""The checks of ``ifdd prepare`` in their order, and what their findings forbid."""

from ifdd.console import progress_bar
from ifdd.data.datasets import Listing
from ifdd.data.datasets.checks import check_frames, check_lists, check_unlisted
from ifdd.data.datasets.inventory import ClipState, Thoroughness, scan_clips
from ifdd.data.datasets.rates import time_clips


def inspect(
    listing: Listing,
    decode: Thoroughness,
    workers: int,
    synthetic: bool = False,
    fps: float | None = None,
    usual_fps: float | None = None,
) -> dict[str, ClipState]:
    """Make all checks but those of faces, lengths and rates; only valid clips remain in ``listing.entries``.

    Args:
        listing: the output of a reader.
        decode: which frames to decode.
        workers: number of threads.
        synthetic: whether SynthDFER wrote the tree, so that its counts are not the published ones.
        fps: frames a second of all folders of images, if the user states it.
        usual_fps: frames a second of folders of images without a rate, if SynthDFER states it.

    Returns:
        Clip id -> its state on disk.
    """
    if synthetic:
        listing.published = {}
    listed = {entry.clip_id for entry in listing.entries} | {excluded.clip_id for excluded in listing.excluded}
    check_lists(listing)
    sources = {entry.clip_id: entry.source for entry in listing.entries}
    with progress_bar("clips") as bar:
        task = bar.add_task("checking frames", total=len(sources))
        states = scan_clips(sources, decode, workers, lambda: bar.advance(task))
    time_clips(listing, states, fps, usual_fps)
    check_frames(listing, states)
    check_unlisted(listing, listed)
    return states


def skipped_checks(listing: Listing, decode: str, synthetic: bool) -> dict[str, str]:
    """Return check -> the reason why it is skipped."""
    skipped = {}
    if not listing.published:
        skipped["counts"] = "SynthDFER" if synthetic else "none published"
    if decode == "none":
        skipped["readable"] = "not requested"
    if listing.dataset not in ("dfew", "cremad"):
        skipped["votes"] = "as given" if listing.is_own else "DFEW and CREMA-D only"
    if not any(fold for fold, _ in listing.expected):
        skipped["partition"] = "no folds"
    return skipped


def stops(listing: Listing, allow_incomplete: bool) -> bool:
    """Return whether the findings forbid writing a manifest."""
    severities = {finding.severity for finding in listing.findings}
    return not listing.entries or "refused" in severities or ("wrong" in severities and not allow_incomplete)
