from pathlib import Path

import pytest

from ifdd.data.datasets.ferv39k import SCENE_COUNTS, published_counts, read_ferv39k
from ifdd.data.datasets.listing import Listing, Options
from ifdd.data.labels import LABEL_SETS
from ifdd.errors import InputError
from tests.helpers.layouts import FERV39K_MEMBERS, edit, write_ferv39k, write_list

LISTS = Path(__file__).parents[4] / "shared" / "real" / "lists" / "FERV39k"


def messages(listing: Listing, check: str) -> list[str]:
    return [finding.message for finding in listing.findings if finding.check == check]


def read(root: Path, scene: str = "") -> Listing:
    return read_ferv39k(root, Options(scene=scene))


@pytest.mark.parametrize(
    ("frames", "lists"),
    [
        ("2_ClipsforFaceCrop", "4_setups/All_scenes/{subset}_All.csv"),
        ("2_ClipsforFaceCrop-002/2_ClipsforFaceCrop", "All_scenes/{subset}.csv"),
        ("faces/2_ClipsforFaceCrop/2_ClipsforFaceCrop", "{subset}_all.txt"),
    ],
)
def test_the_whole_path_is_the_id(tmp_path: Path, frames: str, lists: str) -> None:
    listing = read(write_ferv39k(tmp_path, frames_folder=frames, lists=lists))
    assert listing.findings == []
    assert [(e.clip_id, e.subset) for e in listing.entries] == [
        (clip_id, subset) for subset, members in FERV39K_MEMBERS.items() for clip_id in members
    ]
    assert {e.label for e in listing.entries} == {"angry", "happy", "sad", "surprise"}
    assert all(e.source == tmp_path / frames / e.clip_id and e.source.exists() for e in listing.entries)
    assert set(listing.on_disk) == {e.clip_id for e in listing.entries}
    assert {e.fold for e in listing.entries} == {0}


def test_a_scene_is_picked_out_of_the_lists_of_all(tmp_path: Path) -> None:
    listing = read(write_ferv39k(tmp_path), "daily life")
    assert [e.clip_id for e in listing.entries] == ["DailyLife/Sad/0002", "DailyLife/Surprise/0001"]
    assert set(listing.on_disk) == {e.clip_id for e in listing.entries}
    assert listing.published[0, "train"] == SCENE_COUNTS["DailyLife"][0]
    with pytest.raises(InputError, match="unknown scene 'Kitchen'; choose one of Action, Argue"):
        read(tmp_path, "Kitchen")


@pytest.mark.parametrize("names", ["22_scenes/{subset}_Crime.csv", "Crime/{subset}.csv"])
def test_a_scene_has_lists_of_its_own(tmp_path: Path, names: str) -> None:
    write_ferv39k(tmp_path)
    write_list(tmp_path / "4_setups" / names.format(subset="train"), ["Crime/Angry/0002 Angry"])
    assert read(tmp_path, "Crime").entries[0].clip_id == "Crime/Angry/0001"  # one list is not enough
    write_list(tmp_path / "4_setups" / names.format(subset="test"), ["Crime/Happy/0001 Happy"])
    listing = read(tmp_path, "Crime")
    assert [(e.clip_id, e.subset) for e in listing.entries] == [
        ("Crime/Angry/0002", "train"),
        ("Crime/Happy/0001", "test"),
    ]
    assert len(read(tmp_path).entries) == 5


@pytest.mark.parametrize(
    ("new", "check", "message"),
    [
        ("Crime/Angry/0001 Sad", "agreement", "clip Crime/Angry/0001 is labelled Sad, but is in the folder Angry"),
        ("Crime/Angry/0001 Bored", "names", "clip Crime/Angry/0001 has the label 'Bored'; the classes are angry"),
        ("Crime/Angry/0001 contempt", "names", "has the label 'contempt'"),
        ("Crime/Angry/0001", "lines", "'Crime/Angry/0001' is not 'Scene/Class/number Class'"),
        ("Angry/0001 Angry", "lines", "is not 'Scene/Class/number Class'"),
    ],
)
def test_a_bad_line_is_named(tmp_path: Path, new: str, check: str, message: str) -> None:
    write_ferv39k(tmp_path)
    edit(tmp_path / "4_setups/All_scenes/train_All.csv", "Crime/Angry/0001 Angry", new)
    listing = read(tmp_path)
    (found,) = messages(listing, check)
    assert found.startswith("4_setups/All_scenes/train_All.csv, line 1: ")
    assert message in found
    assert len(listing.excluded) == (check != "agreement")


def test_numbers_for_classes_are_no_names(tmp_path: Path) -> None:
    write_ferv39k(tmp_path)
    edit(tmp_path / "4_setups/All_scenes/train_All.csv", "Crime/Angry/0001 Angry", "Crime/Angry/0001 0")
    assert "has the label '0'" in messages(read(tmp_path), "names")[0]


def test_missing_lists_are_said(tmp_path: Path) -> None:
    write_ferv39k(tmp_path)
    (tmp_path / "4_setups/All_scenes/test_All.csv").unlink()
    assert messages(read(tmp_path), "lists") == ["test: no All_scenes/test_All.csv; copy it from the dataset"]
    (tmp_path / "4_setups/All_scenes/train_All.csv").unlink()
    with pytest.raises(InputError, match="contains no lists of FERV39k; put 4_setups/All_scenes"):
        read(tmp_path)


def test_the_published_counts_have_the_published_sizes() -> None:
    assert len(SCENE_COUNTS) == 22
    counts = published_counts("")
    assert sum(counts[0, "train"]) == 31_088
    assert counts[0, "test"] == (1487, 467, 431, 1473, 1958, 1393, 638)


@pytest.mark.skipif(not LISTS.exists(), reason="needs FERV39k's lists")
def test_the_published_counts_are_those_of_the_true_lists() -> None:
    found = {scene: ([0] * 7, [0] * 7) for scene in SCENE_COUNTS}
    for place, subset in enumerate(("train", "test")):
        for line in (LISTS / f"4_setups/All_scenes/{subset}_All.csv").read_text().splitlines():
            scene, _, rest = line.partition("/")
            found[scene][place][LABEL_SETS["ferv39k"].index(rest.split()[1].lower())] += 1
    assert {scene: tuple(map(tuple, counts)) for scene, counts in found.items()} == SCENE_COUNTS
