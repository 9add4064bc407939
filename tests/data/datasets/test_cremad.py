import json
import shutil
from collections import Counter, defaultdict
from pathlib import Path

import pytest

from ifdd.__main__ import main
from ifdd.data import LABEL_SETS
from ifdd.data.dataset import ClipDataset
from ifdd.data.datasets.checks import check_lists
from ifdd.data.datasets.cremad import Ballot, crowd_label, read_cremad
from ifdd.data.datasets.listing import Listing, Options
from ifdd.data.labels import parse_votes
from ifdd.data.manifest import read_manifest
from ifdd.errors import InputError
from tests.helpers.layouts import CREMAD_ACTORS, CREMAD_CLIPS, LFS_POINTER, edit, write_cremad

LISTS = Path(__file__).parents[4] / "shared" / "real" / "lists" / "CREMA-D"
needs_lists = pytest.mark.skipif(not LISTS.exists(), reason="needs CREMA-D's lists")

CLEAR, TIED, WITHOUT, TORN = "1001_IEO_ANG_XX", "1002_IEO_SAD_XX", "1003_IEO_HAP_XX", "1004_IEO_FEA_XX"
FACES: dict[str, tuple[int, ...]] = {
    CLEAR: (1, 8, 0, 0, 0, 0),
    TIED: (0, 4, 0, 0, 0, 4),
    WITHOUT: (0,) * 6,
    TORN: (5, 0, 0, 0, 5, 0),
}
"""Clips seen differently than meant, tied with and without what was meant, and without votes."""


def messages(listing: Listing, check: str) -> list[str]:
    return [finding.message for finding in listing.findings if finding.check == check]


def label_of(listing: Listing, clip_id: str) -> set[str]:
    return {entry.label for entry in listing.entries if entry.clip_id == clip_id}


def last_error(capsys: pytest.CaptureFixture[str], *words: object) -> str:
    with pytest.raises(SystemExit) as stop:
        main([str(word) for word in words])
    assert stop.value.code == 2
    return capsys.readouterr().err.strip().splitlines()[-1]


def test_clips_have_the_label_that_the_actor_meant_and_the_votes_on_the_face(tmp_path: Path) -> None:
    listing = read_cremad(write_cremad(tmp_path, faces=FACES), Options())
    check_lists(listing)
    assert (listing.label_set, listing.labels) == ("cremad", ("angry", "disgust", "fear", "happy", "neutral", "sad"))
    assert len(listing.entries) == 5 * len(CREMAD_CLIPS)
    assert label_of(listing, CLEAR) == {"angry"}
    (votes,) = {entry.votes for entry in listing.entries if entry.clip_id == CLEAR}
    assert parse_votes(votes) == {"angry": 1, "disgust": 8}
    assert {finding.severity for finding in listing.findings} == {"note"}
    assert messages(listing, "votes") == [
        "clip 1003_IEO_HAP_XX has no votes on its face in tabulatedVotes.csv",
        "of 35 clips, the crowd saw in the face alone what the actor meant in 32 and another emotion in 1 (angry 1, "
        "disgust 0, fear 0, happy 0, neutral 0, sad 0); 2 are ties, 1 of them without the intended emotion",
    ]


def test_the_majority_of_the_votes_is_a_label_on_request(tmp_path: Path) -> None:
    listing = read_cremad(write_cremad(tmp_path, faces=FACES), Options(labels="votes"))
    assert label_of(listing, CLEAR) == {"disgust"}
    assert label_of(listing, TIED) == {"sad"}
    assert {(e.clip_id, e.reason) for e in listing.excluded} == {
        (WITHOUT, "no votes"),
        (TORN, "tied votes: angry:5 neutral:5, intended fear"),
    }
    assert {f.severity for f in listing.findings if f.clip_id == WITHOUT} == {"wrong"}
    with pytest.raises(InputError, match="unknown labels 'both'; choose one of intended, votes"):
        read_cremad(tmp_path, Options(labels="both"))


def test_a_tie_goes_to_what_was_meant_or_to_nobody() -> None:
    ballot = Ballot({"sad": 3, "fear": 3, "angry": 1}, "")
    assert [crowd_label(ballot, label) for label in ("fear", "sad", "angry", "happy")] == ["fear", "sad", "", ""]
    assert crowd_label(Ballot({"sad": 3, "fear": 2}, ""), "fear") == "sad"


def test_actors_come_with_age_sex_race_and_ethnicity(tmp_path: Path) -> None:
    listing = read_cremad(write_cremad(tmp_path), Options())
    entry = next(entry for entry in listing.entries if entry.clip_id == "1002_IEO_SAD_XX")
    assert entry.subject == "1002"
    assert dict(entry.attributes) == {
        "age": "22", "sex": "female", "race": "Asian", "ethnicity": "Not Hispanic", "sentence": "IEO", "level": "XX",
    }  # fmt: skip


def test_files_that_git_lfs_did_not_fetch_are_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    root = write_cremad(tmp_path / "CREMA-D", video=False)
    assert len(LFS_POINTER) < 140
    line = last_error(capsys, "prepare", "cremad", root, tmp_path / "out")
    assert "36 of 36 files" in line
    assert "run 'git lfs pull' in" in line
    assert not (tmp_path / "out" / "prepare.json").exists()
    root = write_cremad(tmp_path / "tables")
    (root / "processedResults/tabulatedVotes.csv").write_text(LFS_POINTER)
    with pytest.raises(InputError, match=r"such as tabulatedVotes\.csv; run 'git lfs pull'"):
        read_cremad(root, Options())


def test_missing_files_are_named(tmp_path: Path) -> None:
    root = write_cremad(tmp_path, votes=False)
    listing = read_cremad(root, Options())
    assert messages(listing, "lists")[0].startswith("no processedResults/tabulatedVotes.csv, which lists the clips")
    assert len(listing.entries) == 5 * len(CREMAD_CLIPS)
    with pytest.raises(InputError, match="copy it, or choose --labels intended"):
        read_cremad(root, Options(labels="votes"))
    (root / "VideoDemographics.csv").unlink()
    with pytest.raises(InputError, match=r"contains no VideoDemographics\.csv, from which the folds are made"):
        read_cremad(root, Options())
    shutil.rmtree(root / "VideoFlash")
    with pytest.raises(InputError, match="contains no folder VideoFlash"):
        read_cremad(root, Options())


def test_what_does_not_fit_is_named(tmp_path: Path) -> None:
    root = write_cremad(tmp_path)
    edit(root / "VideoDemographics.csv", '1004,24,"Female"', '1004,24,"?"')
    edit(root / "processedResults/tabulatedVotes.csv", '"200001",8,1', '"200001",8,x')
    (root / "VideoFlash/readme.flv").touch()
    listing = read_cremad(root, Options())
    assert messages(listing, "lines") == [
        "VideoDemographics.csv, line 5: actor '1004' has the sex '?'; correct the line",
        "processedResults/tabulatedVotes.csv, line 38: '1001_IEO_ANG_XX' and its votes are not as in the dataset; "
        "correct the line",
    ]
    assert len(messages(listing, "ids")) == 6
    assert "readme.flv is not named like" in messages(listing, "unlisted")[0]


def test_a_table_without_all_actors_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    root = write_cremad(tmp_path / "CREMA-D")
    edit(root / "VideoDemographics.csv", '1003,23,"Female"', '1092,23,"Female"')
    assert messages(read_cremad(root, Options()), "partition") == [
        f"VideoDemographics.csv {words}; the folds are made from its 91 actors and would be others, so copy it from "
        "the dataset again"
        for words in ("lacks actors: 1003", "also has actors: 1092")
    ]
    words = ("prepare", "cremad", root, tmp_path / "out", "--faces", "keep", "--allow-incomplete")
    assert "refused: partition: no manifest was written" in last_error(capsys, *words)
    (root / "synth.json").write_text("{}")  # SynthDFER has other actors
    assert not messages(read_cremad(root, Options()), "partition")


def test_a_clone_becomes_a_manifest_that_can_be_read(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    root, out = write_cremad(tmp_path / "CREMA-D"), tmp_path / "out"
    words = ("prepare", "cremad", root, out, "--faces", "keep", "--labels", "votes")
    main([str(word) for word in words])
    record = json.loads((out / "prepare.json").read_text())
    assert record["options"] == {"labels": "votes", "check_frames": "first"}
    assert (record["verdict"], record["clips"], record["lines"]) == ("complete", 36, 180)
    samples = read_manifest(out / "manifest.csv", "test", 2)
    assert {sample.attributes["sex"] for sample in samples} <= {"male", "female"}
    clip, target = ClipDataset(samples, "cremad", 8, 32)[0]
    assert clip.shape == (3, 8, 32, 32)
    assert LABEL_SETS["cremad"][target] == "anger"
    (root / f"VideoFlash/{CLEAR}.flv").unlink()
    (root / f"VideoFlash/{TORN}.flv").write_bytes(b"damaged" * 100)
    assert "wrong: frames, readable" in last_error(capsys, *words)
    main([*map(str, words), "--allow-incomplete"])
    assert len({sample.clip_id for sample in read_manifest(out / "manifest.csv")}) == 34


@pytest.fixture(scope="module")
def complete(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The true lists, with an empty file for every video."""
    root = tmp_path_factory.mktemp("true") / "CREMA-D"
    (root / "VideoFlash").mkdir(parents=True)
    for name in (LISTS / "VideoFlash.txt").read_text().split():
        (root / "VideoFlash" / name).touch()
    (root / "processedResults").mkdir()
    for name in ("VideoDemographics.csv", "processedResults/tabulatedVotes.csv"):
        shutil.copyfile(LISTS / name, root / name)
    return root


@needs_lists
def test_the_true_lists_give_the_published_numbers(complete: Path) -> None:
    listing = read_cremad(complete, Options())
    check_lists(listing)
    assert not listing.excluded
    assert [(f.check, f.severity) for f in listing.findings] == [("votes", "note")]
    assert "in 4931 and another emotion in 2041" in messages(listing, "votes")[0]
    assert "470 are ties, 116 of them without" in messages(listing, "votes")[0]
    labels = {entry.clip_id: entry.label for entry in listing.entries}
    sizes = dict.fromkeys(("angry", "disgust", "fear", "happy", "sad"), 1271) | {"neutral": 1087}
    assert (len(labels), Counter(labels.values())) == (7442, sizes)
    assert len({entry.subject for entry in listing.entries}) == 91
    assert {int(dict(entry.attributes)["age"]) for entry in listing.entries} >= {20, 74}


@needs_lists
@pytest.mark.parametrize("labels", ["intended", "votes"])
def test_the_folds_of_the_true_lists_are_disjoint_and_balanced(complete: Path, labels: str) -> None:
    listing = read_cremad(complete, Options(labels=labels))
    people: dict[tuple[int, str], dict[str, str]] = defaultdict(dict)
    for entry in listing.entries:
        people[entry.fold, entry.subset][entry.subject] = dict(entry.attributes)["sex"]
    for fold in range(1, 6):
        train, validation, test = (people[fold, subset] for subset in ("train", "validation", "test"))
        assert len(train) + len(validation) + len(test) == len(train | validation | test) == 91
        for part, sizes in ((validation, {9, 10}), (test, {18, 19})):
            assert len(part) in sizes
            assert abs(2 * list(part.values()).count("female") - len(part)) <= 2
    assert sum(len(people[fold, "test"]) for fold in range(1, 6)) == 91
    assert len({entry.clip_id for entry in listing.entries}) == (7442 if labels == "intended" else 7442 - 116)


@needs_lists
def test_the_majority_is_that_of_the_published_summary(complete: Path) -> None:
    """The summary joins tied emotions with a colon."""
    listing = read_cremad(complete, Options(labels="votes"))
    labels = {entry.clip_id: entry.label for entry in listing.entries}
    names = {"A": "angry", "D": "disgust", "F": "fear", "H": "happy", "N": "neutral", "S": "sad"}
    compared = 0
    for line in (LISTS / "processedResults/summaryTable.csv").read_text().splitlines()[1:]:
        _, clip_id, _, _, face, *_ = (cell.strip('"') for cell in line.split(","))
        if ":" not in face:
            assert labels[clip_id] == names[face]
            compared += 1
    assert compared == 7442 - 470


def test_every_actor_of_the_tiny_tree_is_listed(tmp_path: Path) -> None:
    listing = read_cremad(write_cremad(tmp_path), Options())
    tested = {entry.subject for entry in listing.entries if entry.subset == "test"}
    assert tested == {str(actor) for actor in CREMAD_ACTORS}
