from pathlib import Path

import numpy as np
import pytest

from ifdd.data.datasets.checks import check_lists
from ifdd.data.datasets.folder import read_folder
from ifdd.data.datasets.listing import Listing, Options
from ifdd.data.datasets.manifest import read_manifest_listing
from ifdd.data.manifest import Sample, write_manifest
from ifdd.errors import InputError
from tests.helpers.layouts import write_clip


def messages(listing: Listing, check: str) -> list[str]:
    return [finding.message for finding in listing.findings if finding.check == check]


def test_folders_of_classes_hold_videos_and_folders_of_images(tmp_path: Path) -> None:
    write_clip(tmp_path / "Happiness/a", 4, video=True)
    write_clip(tmp_path / "sad/b", 3)
    write_clip(tmp_path / "sad/0001", 3)
    write_clip(tmp_path / "anger_disgust/c", 3)
    listing = read_folder(tmp_path, Options(subset="train", synonyms=True))
    assert [(e.clip_id, e.label, e.subset, e.fold) for e in listing.entries] == [
        ("Happiness/a", "happy", "train", 0),
        ("anger_disgust/c", "angry_disgust", "train", 0),
        ("sad/0001", "sad", "train", 0),
        ("sad/b", "sad", "train", 0),
    ]
    assert listing.entries[0].source == tmp_path / "Happiness/a.mp4"
    assert listing.classes == ("happy", "sad", "angry_disgust")
    assert listing.labels == listing.classes
    assert listing.findings == []


def test_folders_of_subsets_lie_above_the_classes(tmp_path: Path) -> None:
    for place in ("train/happy/a", "val/happy/b", "Test/sad/a", "notes/sad/c"):
        write_clip(tmp_path / place, 2)
    listing = read_folder(tmp_path, Options())
    assert {e.clip_id: e.subset for e in listing.entries} == {
        "train/happy/a": "train",
        "val/happy/b": "validation",
        "Test/sad/a": "test",
    }
    assert messages(listing, "unlisted") == ["the folder notes is not a subset; it is not used"]


def test_what_is_not_used_is_said(tmp_path: Path) -> None:
    write_clip(tmp_path / "happy/a", 2)
    write_clip(tmp_path / "bored/b", 2)
    (tmp_path / "happy/1.jpg").touch()
    (tmp_path / "happy/notes.txt").touch()
    (tmp_path / "fear").mkdir()
    (tmp_path / "2024").mkdir()
    listing = read_folder(tmp_path, Options())
    assert [e.clip_id for e in listing.entries] == ["bored/b", "happy/a"]
    assert messages(listing, "unlisted") == [
        "the folder 2024 contains no clips",
        "the folder fear contains no clips",
        "happy contains 1 images next to the clips; put the images of each clip in a separate folder",
        "happy contains 1 files that are not videos; they are not used",
    ]


def test_two_files_of_one_name_are_two_lines(tmp_path: Path) -> None:
    write_clip(tmp_path / "happy/a", 2)
    write_clip(tmp_path / "happy/a", 2, video=True)
    assert [e.clip_id for e in read_folder(tmp_path, Options()).entries] == ["happy/a", "happy/a"]


def test_an_empty_folder_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="contains no clips; put videos or folders of images in folders named happy"):
        read_folder(tmp_path, Options())


def test_a_csv_says_what_is_known(tmp_path: Path) -> None:
    (tmp_path / "list.csv").write_text(
        "path,label,subset,fold,subject,votes,clip_id\n"
        "videos/a.mp4,joy,train,1,anna,,\n"
        '"videos/b, c",sad,Val,2,,sad:3 fear:1,x1\n'
        "videos\\d,fear,,,,,\n"
    )
    listing = read_folder(tmp_path / "list.csv", Options())
    assert listing.findings == []
    assert [tuple(entry)[:9] for entry in listing.entries] == [
        ("videos/a", "joy", "train", 1, "list.csv, line 2", tmp_path / "videos/a.mp4", "anna", "", ()),
        ("x1", "sad", "validation", 2, "list.csv, line 3", tmp_path / "videos/b, c", "", "sad:3 fear:1", ()),
        ("videos/d", "fear", "test", 0, "list.csv, line 4", tmp_path / "videos/d", "", "", ()),
    ]


def test_other_columns_of_a_csv_are_kept_and_noted(tmp_path: Path) -> None:
    (tmp_path / "list.csv").write_text("Age,path,label,city\n31,a.mp4,joy,Oslo\n,b.mp4,sad,\n")
    listing = read_folder(tmp_path / "list.csv", Options())
    assert messages(listing, "lists") == ["list.csv: the columns age, city are kept as attributes of the clips"]
    assert [entry.attributes for entry in listing.entries] == [
        (("age", "31"), ("city", "Oslo")),
        (("age", ""), ("city", "")),
    ]


@pytest.mark.parametrize(
    ("line", "check", "message"),
    [
        ("a.mp4,,train,1,", "names", "clip a has the label ''; the class name '' is empty"),
        ("a.mp4,happy,training set,1,", "lines", "subset 'training set'"),
        ("a.mp4,happy,train,one,", "lines", "fold 'one'"),
        (",happy,train,1,", "lines", "path ''"),
        ("a.mp4,happy", "lines", "2 columns instead of 5"),
        ("a.mp4,happy,train,1,happy", "lines", "votes are 'happy'; write them as"),
    ],
)
def test_a_bad_line_of_a_csv_is_named(tmp_path: Path, line: str, check: str, message: str) -> None:
    (tmp_path / "list.csv").write_text(f"path,label,subset,fold,votes\n{line}\n")
    (found,) = messages(read_folder(tmp_path / "list.csv", Options()), check)
    assert found.startswith("list.csv, line 2: ")
    assert message in found


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "is not a CSV file of clips"),
        ("file,label\n", "the first line must name path and label"),
        ("path,emotion\n", "the first line must name path and label, and may name clip_id, subset"),
        ("path,label,age,age\n", "a column has no name, occurs twice or is named frames"),
        ("path,label,\n", "a column has no name"),
        ("path,label,frames\n", "named frames or durations; rename or remove it"),
    ],
)
def test_what_is_no_csv_of_clips_is_refused(tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / "list.csv").write_text(text)
    with pytest.raises(InputError, match=message):
        read_folder(tmp_path / "list.csv", Options())


def test_folders_of_systems_are_not_classes_or_clips(tmp_path: Path) -> None:
    for name in ("happy/a.mp4", "happy/._a.mp4", "happy/@eaDir/a.mp4/x.jpg", "$RECYCLE.BIN/b.mp4", "__MACOSX/c.mp4"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    (tmp_path / "happy" / "back").symlink_to(tmp_path)
    (tmp_path / "happy" / "self").symlink_to("self")
    listing = read_folder(tmp_path, Options())
    assert [entry.clip_id for entry in listing.entries] == ["happy/a"]
    skipped = "skipped, hidden, a system's or a link that leads back: 5 ($RECYCLE.BIN, ._a.mp4, @eaDir, __MACOSX, back)"
    assert skipped in messages(listing, "unlisted")
    assert {finding.severity for finding in listing.findings} == {"note"}


def test_a_clip_that_links_lead_to_counts_once(tmp_path: Path) -> None:
    for name in ("train/happy/b.mp4", "test/happy/c.mp4", "test/sad/d.mp4"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    (tmp_path / "train" / "happy" / "a.mp4").symlink_to("b.mp4")
    (tmp_path / "test" / "happy" / "b.mp4").symlink_to(tmp_path / "train" / "happy" / "b.mp4")
    listing = read_folder(tmp_path, Options())
    assert [entry.clip_id for entry in listing.entries] == ["test/happy/c", "test/sad/d", "train/happy/b"]
    note = "links to clips that are there already are not used: 2 (test/happy/b, train/happy/a)"
    assert messages(listing, "unlisted") == [note]
    (tmp_path / "test" / "sad" / "e.mp4").symlink_to(tmp_path / "train" / "happy" / "b.mp4")
    contradiction = "clip test/sad/e is a link to train/happy/b, which has another label; remove one"
    assert messages(read_folder(tmp_path, Options()), "agreement") == [contradiction]


def test_annotated_videos_are_not_clips(tmp_path: Path) -> None:
    (tmp_path / "happy").mkdir()
    (tmp_path / "happy" / "a.mp4").touch()
    (tmp_path / "happy" / "b.mp4").write_bytes(bytes(200_000) + b"annotated by ifdd" + bytes(9))
    listing = read_folder(tmp_path, Options())
    assert [entry.clip_id for entry in listing.entries] == ["happy/a"]
    message = "happy contains annotated videos of 'ifdd recognize', which are not used: 1 (b.mp4)"
    assert messages(listing, "unlisted") == [message]


def test_classes_of_your_own_keep_their_names(tmp_path: Path) -> None:
    for name in ("3", "0", "10", "sehr müde", "happiness", "joy"):
        write_clip(tmp_path / name / "0001", 2)
    listing = read_folder(tmp_path, Options())
    assert listing.classes == listing.labels == ("happiness", "joy", "0", "3", "10", "sehr müde")
    assert [e.clip_id for e in listing.entries if e.label == "0"] == ["0/0001"]
    assert "happiness and joy are spellings of happy and are kept as 2 classes" in messages(listing, "names")[0]
    assert read_folder(tmp_path, Options(synonyms=True)).classes == ("happy", "0", "3", "10", "sehr müde")


def test_a_list_may_state_frame_rates(tmp_path: Path) -> None:
    (tmp_path / "list.csv").write_text("path;label;fps\na;0;29,97\nb;1;\n")
    assert [entry.fps for entry in read_folder(tmp_path / "list.csv", Options()).entries] == [29.97, None]


def test_an_animated_image_is_a_clip_and_a_still_one_is_not(tmp_path: Path) -> None:
    image = pytest.importorskip("PIL.Image")
    (tmp_path / "happy").mkdir()
    pictures = [image.fromarray(np.full((8, 8, 3), 40 * number, np.uint8)) for number in range(4)]
    pictures[0].save(tmp_path / "happy" / "moving.png", save_all=True, append_images=pictures[1:])
    pictures[0].save(tmp_path / "happy" / "still.png")
    listing = read_folder(tmp_path, Options())
    assert [entry.clip_id for entry in listing.entries] == ["happy/moving"]
    assert "happy contains 1 images next to the clips" in messages(listing, "unlisted")[0]


def test_a_file_in_two_subsets_is_found_by_its_path(tmp_path: Path) -> None:
    write_clip(tmp_path / "a", 3)
    write_clip(tmp_path / "b", 3)
    rows = ["1,a,happy,train", "2,a,happy,test", "3,b,sad,train", "4,b,sad,train"]
    (tmp_path / "list.csv").write_text("\n".join(["clip_id,path,label,subset", *rows]))
    listing = read_folder(tmp_path / "list.csv", Options())
    samples = [Sample(entry.clip_id, entry.source, 3, entry.label, entry.subset) for entry in listing.entries]
    write_manifest(tmp_path / "manifest.csv", samples)
    for read, name in ((listing, "list"), (read_manifest_listing(tmp_path / "manifest.csv", Options()), "manifest")):
        check_lists(read)
        assert [entry.clip_id for entry in read.entries] == ["2", "3", "4"]
        (message,) = messages(read, "subsets")
        where = f"{name}.csv, line" if name == "list" else f"{name}.csv"
        assert message.startswith(f"{tmp_path / 'a'} is in train and test of fold 0 ({where}")
        assert message.endswith(", as 2); remove it from one")


def test_ids_of_folders_keep_their_points(tmp_path: Path) -> None:
    for name in ("P01.1", "P01.2"):
        write_clip(tmp_path / name, 3)
    (tmp_path / "list.csv").write_text("path,label\nP01.1,happy\nP01.2/,sad\n./,sad\n")
    listing = read_folder(tmp_path / "list.csv", Options())
    assert [entry.clip_id for entry in listing.entries] == ["P01.1", "P01.2"]
    assert messages(listing, "lines") == [
        "list.csv, line 4: path './' names no clip; give the path of a video or folder of images"
    ]


def test_videos_outside_of_classes_are_noted(tmp_path: Path) -> None:
    write_clip(tmp_path / "train/happy/a", 3)
    write_clip(tmp_path / "train/b", 3, video=True)
    write_clip(tmp_path / "c", 3, video=True)
    listing = read_folder(tmp_path, Options())
    assert messages(listing, "unlisted") == [
        "videos that are in no folder of a class are not used: 2 (c.mp4, train/b.mp4)"
    ]
