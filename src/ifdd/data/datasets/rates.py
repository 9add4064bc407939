"""When the frames of a listing's clips are shown: from files and statements, else assumed and reported."""

from collections import Counter
from collections.abc import Iterable, Mapping
from pathlib import Path
from statistics import median_low

from ifdd.data.datasets.inventory import ClipState, Origin
from ifdd.data.datasets.listing import Entry, Listing
from ifdd.data.timing import ASSUMED_FPS, Timing, parse_durations, same_rate, timing_of
from ifdd.files import parse_json
from ifdd.records import RatesRecord


def time_clips(
    listing: Listing, states: dict[str, ClipState], stated_fps: float | None, usual_fps: float | None = None
) -> None:
    """Add the timing of readable clips that the files do not tell, or that an entry states otherwise.

    Args:
        listing: the clips; its entries may state a rate.
        states: clip id -> state; changed in place.
        stated_fps: frames a second of all folders of images; None if the user did not state it.
        usual_fps: frames a second of folders of images without a rate; None if nobody stated it.
    """
    earlier = None if listing.earlier is None else listing.earlier.rates
    first: dict[str, Entry] = {}  # folds repeat clips
    for entry in listing.entries:
        first.setdefault(entry.clip_id, entry)
    for clip_id, entry in first.items():
        state = states[clip_id] if listing.is_own else _in_order(states[clip_id])
        states[clip_id] = _timed(entry, state, stated_fps, usual_fps, earlier)


def _in_order(state: ClipState) -> ClipState:
    """Return the state of a published clip, whose frames count by their order, as in the authors' code."""
    if not state.positions:
        return state
    notices = tuple(f"{notice.partition(';')[0]}; kept frames count by their order" for notice in state.notices)
    return state._replace(positions=(), notices=notices)


def _timed(
    entry: Entry,
    state: ClipState,
    stated_fps: float | None,
    usual_fps: float | None,
    earlier: RatesRecord | None,
) -> ClipState:
    if state.problem:
        return state
    if state.timing is None and stated_fps is not None:
        return state._replace(timing=_images_at(stated_fps, state), origin="stated")
    if entry.durations and len(parse_durations(entry.durations)) != state.frames:
        stated = len(parse_durations(entry.durations))
        return ClipState(0, f"it has {state.frames} frames, but {entry.where} has the durations of {stated}")
    if entry.fps is not None:
        timing = Timing(entry.fps, entry.durations) if entry.durations else _images_at(entry.fps, state)
        return state._replace(timing=timing, origin=rate_origin(entry.fps, entry.durations, earlier))
    if state.timing is None:  # a folder of images
        origin: Origin = "assumed" if usual_fps is None else "stated"
        return state._replace(timing=_images_at(usual_fps or ASSUMED_FPS, state), origin=origin)
    return state


def _images_at(fps: float, state: ClipState) -> Timing:
    """Return the timing of images at a rate, in which missing ones leave gaps."""
    if not state.positions:
        return Timing(fps)
    return timing_of([place / fps for place in state.positions], end=(state.positions[-1] + 1) / fps)


def rate_origin(fps: float, durations: str, earlier: RatesRecord | None) -> Origin:
    """Return where a rate in a manifest comes from, as far as the rates of its preparation tell; stated without them.

    Where several origins are mixed, a rate that may be assumed counts as assumed, the others as the most frequent one.
    """
    if earlier is None:
        return "stated"
    # where images are missing, the mean rate is another
    rate = 1 / max(min(parse_durations(durations)), 1e-6) if durations else fps
    if earlier.assumed and same_rate(rate, ASSUMED_FPS):
        return "assumed"
    return "file" if earlier.from_files > earlier.stated else "stated"


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
        return float(parse_json(file.read_text(encoding="utf-8"))["config"]["fps"])
    except (OSError, ValueError, KeyError, TypeError, OverflowError):
        return None
