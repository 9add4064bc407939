"""When the frames of a listing's clips are shown: from files and statements, else assumed and reported."""

import json
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from statistics import median_low

from ifdd.data.datasets.inventory import ClipState, Origin
from ifdd.data.datasets.listing import Entry, Listing
from ifdd.data.timing import ASSUMED_FPS, Timing, same_rate, video_timing
from ifdd.errors import InputError
from ifdd.records import RatesRecord


def time_clips(
    listing: Listing,
    states: dict[str, ClipState],
    stated_fps: float | None,
    workers: int,
    advance: Callable[[], object] = lambda: None,
) -> None:
    """Add the timing of every readable clip to its state.

    Args:
        listing: the clips; its entries may state a rate.
        states: clip id -> state; changed in place. A video whose times cannot be read becomes unreadable.
        stated_fps: frames a second of folders of images without a rate; None if nobody stated it.
        workers: number of threads.
        advance: called after each clip, for a progress bar.
    """
    entries = {entry.clip_id: entry for entry in listing.entries}

    def time(clip_id: str) -> ClipState:
        return _timed(entries[clip_id], states[clip_id], stated_fps)

    with ThreadPoolExecutor(workers) as pool:
        for clip_id, state in zip(entries, pool.map(time, entries), strict=True):
            states[clip_id] = state
            advance()


def _timed(entry: Entry, state: ClipState, stated_fps: float | None) -> ClipState:
    if state.problem:
        return state
    if entry.fps is not None:
        return state._replace(timing=Timing(entry.fps, entry.durations), origin="stated")
    if entry.source.is_dir():
        origin: Origin = "assumed" if stated_fps is None else "stated"
        return state._replace(timing=Timing(stated_fps or ASSUMED_FPS), origin=origin)
    try:
        return state._replace(timing=video_timing(entry.source, state.frames), origin="file")
    except InputError as error:
        return ClipState(0, str(error))


def check_rates(listing: Listing, states: Mapping[str, ClipState]) -> None:
    """Note assumed, different and uneven frame rates."""
    clips = {entry.clip_id: states[entry.clip_id] for entry in listing.entries if states[entry.clip_id].timing}
    assumed = [clip_id for clip_id, state in clips.items() if state.origin == "assumed"]
    if assumed:
        message = (
            f"{len(assumed)} clips, such as {assumed[0]}: {listing.rate_reason}; {ASSUMED_FPS:g} frames a second are "
            "assumed: state another rate with --fps, or in a column fps"
        )
        listing.report("rates", "note", message)
    record = rates_record(state for state in clips.values())
    if record is not None and not same_rate(record.least, record.most):
        message = f"the clips have {record.least:g} to {record.most:g} frames a second; training looks at all in time"
        listing.report("rates", "note", message)
    if record is not None and record.uneven:
        message = f"{record.uneven} clips have frames at uneven times; the manifest has the times"
        listing.report("rates", "note", message)


def rates_record(states: Iterable[ClipState]) -> RatesRecord | None:
    """Return the summary of the rates of clips; None without clips."""
    timed = [(state.timing, state.origin) for state in states if state.timing is not None]
    if not timed:
        return None
    rates = sorted(timing.fps for timing, _ in timed)
    origins = Counter(origin for _, origin in timed)
    return RatesRecord(
        least=rates[0],
        median=median_low(rates),
        most=rates[-1],
        uneven=sum(bool(timing.durations) for timing, _ in timed),
        from_files=origins["file"],
        stated=origins["stated"],
        assumed=origins["assumed"],
    )


def synthetic_rate(root: Path) -> float | None:
    """Return the frame rate in the settings of SynthDFER next to a tree or manifest; None without such settings."""
    file = (root if root.is_dir() else root.parent) / "synth.json"
    try:
        return float(json.loads(file.read_text(encoding="utf-8"))["config"]["fps"])
    except (OSError, ValueError, KeyError, TypeError):
        return None
