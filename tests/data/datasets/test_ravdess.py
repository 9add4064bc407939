from collections import Counter
from pathlib import Path

import pytest

from ifdd.__main__ import main
from ifdd.data.dataset import ClipDataset
from ifdd.data.datasets.checks import check_frames, check_lists
from ifdd.data.datasets.inventory import scan_clips
from ifdd.data.datasets.listing import Listing, Options
from ifdd.data.datasets.ravdess import official_clips, read_ravdess, sex_of
from ifdd.data.manifest import read_manifest
from ifdd.errors import InputError
from tests.helpers.layouts import write_ravdess

SPEECH = [f"02-01-0{emotion}-01-01-01-{actor:02d}" for actor in range(1, 25) for emotion in (1, 2, 5)]
SONG = [f"02-02-02-02-01-02-{actor:02d}" for actor in (1, 2)]


def labels(listing: Listing) -> Counter[str]:
    return Counter({entry.clip_id: entry.label for entry in listing.entries}.values())


@pytest.mark.parametrize("folder", ["Actor_{actor}", "Video_Speech_Actor_{actor}/Actor_{actor}"])
def test_names_are_parsed_in_both_layouts(tmp_path: Path, folder: str) -> None:
    listing = read_ravdess(write_ravdess(tmp_path, [*SPEECH, *SONG], folder=folder), Options())
    check_lists(listing)
    assert not listing.findings
    assert (listing.label_set, len(listing.classes), len(listing.entries)) == ("ravdess", 8, 5 * len(SPEECH))
    assert labels(listing) == {"neutral": 24, "calm": 24, "angry": 24}
    entry = next(entry for entry in listing.entries if entry.clip_id == "01-05-01-01-01-07")
    assert (entry.subject, entry.label, entry.source.exists()) == ("07", "angry", True)
    assert dict(entry.attributes) == {
        "sex": "male", "intensity": "normal", "channel": "speech", "statement": "kids", "repetition": "1",
    }  # fmt: skip
    assert sex_of("18") == "female"


def test_the_same_pictures_are_taken_once_and_sound_alone_never(tmp_path: Path) -> None:
    name = "01-05-01-01-01-07"
    write_ravdess(tmp_path, [*SPEECH, f"01-{name}", f"03-{name}", "01-01-03-01-01-01-07", "03-01-04-01-01-01-07"])
    listing = read_ravdess(tmp_path, Options())
    found = {entry.clip_id: entry.source.name for entry in listing.entries}
    assert found[name] == f"02-{name}.mp4"
    assert found["01-03-01-01-01-07"] == "01-01-03-01-01-01-07.mp4"
    assert len(found) == len(SPEECH) + 1
    assert not listing.findings


@pytest.mark.parametrize(("channel", "count"), [("speech", 72), ("song", 2), ("both", 74)])
def test_the_channel_can_be_chosen(tmp_path: Path, channel: str, count: int) -> None:
    listing = read_ravdess(write_ravdess(tmp_path, [*SPEECH, *SONG]), Options(channel=channel))
    assert len(listing.on_disk) == len({entry.clip_id for entry in listing.entries}) == count


@pytest.mark.parametrize(
    ("calm", "found"), [("neutral", {"neutral": 48, "angry": 24}), ("drop", {"neutral": 24, "angry": 24})]
)
def test_calm_can_be_neutral_or_left_out(tmp_path: Path, calm: str, found: dict[str, int]) -> None:
    listing = read_ravdess(write_ravdess(tmp_path, SPEECH), Options(calm=calm))
    assert labels(listing) == found
    assert (listing.label_set, len(listing.classes)) == ("dfew", 7)


def test_the_official_clips_are_as_many_as_published() -> None:
    assert len(set(official_clips("speech"))) == 24 * 60
    assert len(set(official_clips("song"))) == 23 * 44
    assert Counter(clip[-2:] for clip in official_clips("both")) == {
        f"{actor:02d}": 60 if actor == 18 else 104 for actor in range(1, 25)
    }


def test_missing_clips_are_reported_one_by_one(tmp_path: Path) -> None:
    listing = read_ravdess(write_ravdess(tmp_path, SPEECH, synthetic=False), Options())
    states = scan_clips({e.clip_id: e.source for e in listing.entries}, "none", 1)
    check_frames(listing, states)
    messages = [finding.message for finding in listing.findings if finding.check == "frames"]
    assert len(messages) == 1440 - len(SPEECH)
    assert messages[0].startswith("clip 01-01-01-01-02-01: path does not exist:")
    assert len(listing.entries) == 5 * len(SPEECH)


def test_wrong_choices_and_empty_folders_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="contains no speech videos of RAVDESS; unpack Video_Speech_Actor_01"):
        read_ravdess(tmp_path, Options())
    with pytest.raises(InputError, match="unknown channel 'talk'"):
        read_ravdess(tmp_path, Options(channel="talk"))
    with pytest.raises(InputError, match="unknown choice 'yes' for calm"):
        read_ravdess(tmp_path, Options(calm="yes"))


def test_a_tree_becomes_a_manifest_that_can_be_read(tmp_path: Path) -> None:
    write_ravdess(tmp_path / "RAVDESS", SPEECH)
    out = tmp_path / "out"
    main(["prepare", "ravdess", str(tmp_path / "RAVDESS"), str(out), "--faces", "keep"])
    samples = read_manifest(out / "manifest.csv", "validation", 1)
    assert {sample.attributes["channel"] for sample in samples} == {"speech"}
    people = {
        subset: {s.subject for s in read_manifest(out / "manifest.csv", subset, 1)} for subset in ("train", "test")
    }
    assert not people["train"] & people["test"]
    assert not people["train"] & {sample.subject for sample in samples}
    assert ClipDataset(samples, "ravdess", 8, 32)[0][0].shape == (3, 8, 32, 32)
