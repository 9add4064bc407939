"""Agreement with a coder: kappa against scikit-learn, and cases known in advance."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sklearn.metrics import cohen_kappa_score

from ifdd.__main__ import main
from ifdd.analysis.agreement.kappa import NOTHING, block_confusions, cohen_kappa, estimate, label_bins
from ifdd.analysis.agreement.pairing import pair_tiers
from ifdd.annotations.reading import read_annotations
from ifdd.inference import Recognition
from tests.analysis.test_summarize import SEGMENTS, person, write_results

CODED = "start,end,label\n0,2,happy\n3,6,happy\n6,9,sad\n"


def agree(folder: Path, *words: str, annotation: str = "a.csv") -> dict[str, Any]:
    main(["agree", str(folder / "a.json"), str(folder / annotation), "--out", str(folder / "out.json"), *words])
    found: dict[str, Any] = json.loads((folder / "out.json").read_text())
    return found


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with a result of one person and its coding."""
    write_results(tmp_path, "a", person(1, SEGMENTS))
    (tmp_path / "a.csv").write_text(CODED)
    return tmp_path


def test_kappa_is_that_of_scikit_learn() -> None:
    rng = np.random.default_rng(0)
    coder, result = rng.integers(0, 3, 400), rng.integers(0, 3, 400)
    result[:250] = coder[:250]
    blocks = np.repeat(np.arange(8), 50)
    counts = block_confusions(coder, result, blocks, 3)
    found = estimate(cohen_kappa, counts)
    assert found is not None
    assert found.low is not None
    assert found.high is not None
    assert found.value == pytest.approx(cohen_kappa_score(coder, result))
    assert found.low < found.value < found.high


def test_kappa_without_variation_is_not_defined() -> None:
    assert estimate(cohen_kappa, np.full((6, 1, 1), 9)) is None
    assert estimate(cohen_kappa, np.zeros((6, 2, 2), np.int64)) is None


def test_few_blocks_give_no_interval() -> None:
    found = estimate(cohen_kappa, np.full((4, 2, 2), 1))
    assert found is not None
    assert (found.value, found.low) == (0, None)


def test_blocks_that_all_agree_give_no_interval() -> None:
    found = estimate(cohen_kappa, np.tile(np.diag([5, 5]), (6, 1, 1)))
    assert found is not None
    assert (found.value, found.low) == (1, None)


def test_bins_have_the_label_around_their_middle() -> None:
    middles = np.array([0.5, 1.5, 2.5, 3.5])
    assert label_bins([(0.0, 1.4, 0), (2.5, 3.5, 1)], middles).tolist() == [0, NOTHING, 1, NOTHING]


def test_a_person_who_was_coded(folder: Path) -> None:
    found = agree(folder)
    # coded 8 s: happy 0-2 and 3-6, sad 6-9; the result: happy 0-2, 3-5, sad 5-9
    assert found["coded_seconds"] == 8
    assert found["covered"] == found["answered"] == 1
    assert found["agreement"]["value"] == pytest.approx(7 / 8)
    assert found["confusion"] == [[40, 10, 0], [0, 30, 0]]
    coder, result = [0] * 50 + [1] * 30, [0] * 40 + [1] * 40
    assert found["kappa"]["value"] == pytest.approx(cohen_kappa_score(coder, result))
    assert found["segments"][-1] == {"overlap": 0.5, "f1": 1, "precision": 1, "recall": 1}
    assert (found["onsets"]["count"], found["onsets"]["median"]) == (2, -0.5)
    assert found["pairs"][0]["people"] == {"": [1]}


def test_the_code_of_a_single_person_is_no_track(folder: Path) -> None:
    expected = agree(folder)
    (folder / "a.csv").write_text(
        CODED.replace("label", "label,subject").replace("\n", ",P07\n").replace("subject,P07", "subject")
    )
    found = agree(folder)
    assert found["pairs"][0]["people"] == {"P07": [1]}
    assert found["kappa"] == expected["kappa"]


@pytest.mark.parametrize(
    ("tier", "tracks"),
    [("P01", [1, 4]), ("p1", [1, 4]), ("7", [1, 4]), ("track 1", [1]), ("1", [1]), ("track 3", []), ("Anna", [1, 4])],
)
def test_a_single_tier_is_a_track_or_the_code_of_a_person(tmp_path: Path, tier: str, tracks: list[int]) -> None:
    write_results(tmp_path, "a", person(1, SEGMENTS), person(4, SEGMENTS))
    (tmp_path / "a.csv").write_text(f"start,end,label,subject\n0,2,happy,{tier}\n")
    coding, results = read_annotations(tmp_path / "a.csv"), Recognition.load(tmp_path / "a.json")
    assert pair_tiers(coding, results, {}) == {tier: tuple(tracks)}


def test_codes_of_several_people_are_no_tracks(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    rows = "start,end,label,subject\n0,2,happy,P02\n5,9,sad,P01\n"
    write_results(folder, "a", person(1, SEGMENTS[:1]), person(2, SEGMENTS[3:]))
    (folder / "a.csv").write_text(rows)
    with pytest.raises(SystemExit, match="2"):
        agree(folder)
    assert "has the tiers 'P02', 'P01', and the result the tracks 1, 2; say which" in capsys.readouterr().err
    assert agree(folder, "--people", "P02=1,P01=2")["kappa"]["value"] == 1
    (folder / "a.csv").write_text(rows.replace("P02", "track 1").replace("P01", "track 7"))
    assert agree(folder)["covered"] == pytest.approx(2 / 6)
    assert (
        "note: " + str(folder / "a.csv") + ": the result has no track for the tier 'track 7'" in capsys.readouterr().err
    )


def test_only_time_that_was_read_is_compared(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_results(tmp_path, "a", person(1, SEGMENTS), start=2.0)  # 2 to 12 s of the video
    (tmp_path / "a.csv").write_text("start,end,label\n0,4,happy\n7,11,sad\n12.3,12.6,happy\n13,20,sad\n")
    found = agree(tmp_path)
    assert found["coded_seconds"] == 6
    assert found["covered"] == found["agreement"]["value"] == found["segments"][-1]["f1"] == 1
    assert "9.3 s are not compared: the result holds 2 to 12 s of films/a.mp4" in capsys.readouterr().err


def test_a_longer_coding_may_be_of_another_video(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (folder / "a.csv").write_text(CODED + "20,50,bored\n")  # a label that is no class, where nothing is compared
    assert agree(folder)["coded_seconds"] == 8
    said = " ".join(capsys.readouterr().err.split())
    assert "30.0 s are not compared: the result holds 0 to 10 s of films/a.mp4; unless only a part was read, " in said
    assert "check that the annotations are of this video" in said
    with pytest.raises(SystemExit):
        agree(folder, "--rename", "happy=bored")
    assert "which are no classes of the result" in capsys.readouterr().err


def test_a_coding_that_fits_two_results_is_refused(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for name in ("one", "two"):
        (folder / "results" / name).mkdir(parents=True)
        (folder / "results" / name / "a.json").write_bytes((folder / "a.json").read_bytes())
    with pytest.raises(SystemExit):
        main(["agree", str(folder / "results"), str(folder)])
    one, two = (folder / "results" / name / "a.json" for name in ("one", "two"))
    assert f"{folder / 'a.csv'} could belong to {one} or to {two}" in capsys.readouterr().err


def test_gaps_can_mean_a_class_and_uncertain_is_counted(folder: Path) -> None:
    found = agree(folder, "--gaps", "sad")
    assert found["coded_seconds"] == 10
    assert found["confusion"] == [[40, 10, 0], [0, 30, 10]]  # uncertain from 2 to 3; nobody after 9
    assert (found["covered"], found["answered"]) == (pytest.approx(0.9), pytest.approx(0.8))
    assert found["kappa_uncertain"]["value"] < found["kappa"]["value"]


def test_the_own_file_for_elan_agrees_with_itself(folder: Path) -> None:
    Recognition.load(folder / "a.json").write(folder / "a.eaf")
    found = agree(folder, annotation="a.eaf")
    assert found["kappa"]["value"] == 1
    assert found["pairs"][0]["people"] == {"track 1": [1]}


def test_times_are_those_of_a_player(tmp_path: Path) -> None:
    write_results(tmp_path, "a", person(1, SEGMENTS), start=2.0)
    (tmp_path / "a.csv").write_text("start,end,label\n2,4,happy\n7,11,sad\n")
    assert agree(tmp_path)["agreement"]["value"] == 1


def test_labels_are_renamed_and_left_out(folder: Path) -> None:
    (folder / "a.csv").write_text("start,end,label\n0,2,smile\n3,5,Happiness\n6,8,talks\n")
    found = agree(folder, "--synonyms", "--rename", "smile=happy,talks=")
    assert found["coded_seconds"] == 4
    assert found["agreement"]["value"] == 1


def test_uncoded_time_is_compared_in_no_score(folder: Path) -> None:
    # the result: happy 0-2, uncertain 2-3, happy 3-5, sad 5-9
    (folder / "a.csv").write_text("start,end,label\n3,5,happy\n5,7,sad\n")
    found = agree(folder)
    assert found["segments"][-1] == {"overlap": 0.5, "f1": 1, "precision": 1, "recall": 1}
    assert (found["onsets"]["count"], found["onsets"]["median"]) == (1, 0)
    (folder / "a.csv").write_text("start,end,label\n0,2,talks\n3,5,happy\n5,9,sad\n")
    assert agree(folder, "--rename", "talks=")["segments"][-1]["precision"] == 1
    # the end of coded time lies just behind the border of two segments
    (folder / "a.csv").write_text("start,end,label\n3,5.05,happy\n")
    assert agree(folder)["segments"][-1]["precision"] == 1


def test_segments_do_not_depend_on_the_bins_and_short_ones_count(folder: Path) -> None:
    for width in ("0.1", "5"):
        assert agree(folder, "--bin-seconds", width)["segments"][-1]["f1"] == 1
    (folder / "a.csv").write_text("start,end,label\n0.5,0.58,happy\n5.5,5.55,sad\n")
    assert agree(folder)["segments"][-1] == {"overlap": 0.5, "f1": 1, "precision": 1, "recall": 1}


def test_a_segment_that_goes_on_behind_a_gap_of_the_coder_has_no_onset_there(folder: Path) -> None:
    (folder / "a.csv").write_text("start,end,label\n3,5,happy\n6.5,9,sad\n")
    found = agree(folder)
    assert found["segments"][-1]["f1"] == 1
    assert found["onsets"] == {"count": 1, "median": -1.5, "low": -1.5, "high": -1.5}  # sad since 5
    (folder / "a.csv").write_text("start,end,label\n3,5,happy\n5,6,sad\n8,9,sad\n")
    found = agree(folder)
    assert (found["segments"][-1]["f1"], found["onsets"]["count"], found["onsets"]["median"]) == (1, 1, 0)


def test_of_people_at_a_time_the_longest_counts_in_every_score(tmp_path: Path) -> None:
    others = [(1.0, 2.0, "sad"), (6.0, 8.0, "happy")]
    write_results(tmp_path, "a", person(1, others), person(2, SEGMENTS))
    (tmp_path / "a.csv").write_text("start,end,label\n0,2,happy\n3,5,happy\n5,9,sad\n")
    found = agree(tmp_path)
    assert found["kappa"]["value"] == 1
    assert found["segments"][-1] == {"overlap": 0.5, "f1": 1, "precision": 1, "recall": 1}


def test_videos_of_one_path_are_compared_apart(tmp_path: Path) -> None:
    results, codings = tmp_path / "results", tmp_path / "codings"
    codings.mkdir()
    courses = {
        "a": ((0.0, 4.0, "happy"), (4.0, 9.0, "sad")),
        "b": ((0.0, 4.0, "sad"), (4.0, 9.0, "happy")),
    }
    for name, course in courses.items():
        write_results(results, name, person(1, course))
        text = "".join(f"{start},{end},{label}\n" for start, end, label in courses["b" if name == "a" else "a"])
        (codings / f"{name}.csv").write_text("start,end,label\n" + text)
    document = json.loads((results / "b.json").read_text())
    document["video"]["path"] = json.loads((results / "a.json").read_text())["video"]["path"]
    (results / "b.json").write_text(json.dumps(document))
    main(["agree", str(results), str(codings), "--out", str(tmp_path / "out.json")])
    found = json.loads((tmp_path / "out.json").read_text())
    assert found["kappa"]["value"] < 0
    assert [each["f1"] for each in found["segments"]] == [0, 0, 0]
    assert found["onsets"] is None


def test_people_are_chosen(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_results(tmp_path, "a", person(1, SEGMENTS[:1]), person(2, SEGMENTS[2:3]), person(3, SEGMENTS))
    text = "start,end,label,person\n0,2,happy,Anna\n3,5,happy,Anna\n0,9,sad,Ben\n0,9,sad,Clara\n"
    (tmp_path / "a.csv").write_text(text)
    found = agree(tmp_path, "--people", "Anna=1+2,Ben=3")
    assert found["pairs"][0]["people"] == {"Anna": [1, 2], "Ben": [3]}
    assert found["coded_seconds"] == 13
    assert "the tier 'Clara' was left out" in capsys.readouterr().err


def test_folders_are_paired_by_name_and_pooled(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    results, codings = tmp_path / "results", tmp_path / "codings"
    codings.mkdir()
    for name in ("a", "b", "c"):
        write_results(results, name, person(1, SEGMENTS))
    for name in ("a", "b", "z"):
        (codings / f"{name}.csv").write_text(CODED)
    main(["agree", str(results), str(codings), "--out", str(tmp_path / "out.json")])
    found = json.loads((tmp_path / "out.json").read_text())
    assert [Path(pair["result"]).stem for pair in found["pairs"]] == ["a", "b"]
    assert found["coded_seconds"] == 16
    assert "annotations without a result: z" in capsys.readouterr().err


def test_the_picture_is_written(folder: Path) -> None:
    agree(folder, "--plot", str(folder / "a.svg"))
    assert "<svg" in (folder / "a.svg").read_text()


@pytest.mark.parametrize(
    ("text", "words", "message"),
    [
        ("start,end,label\n11.5,12,sad\n", [], "no coded time is left to compare"),
        ("start,end,label\n0,2,smile\n", [], "has the labels smile, which are no classes of the result (happy, sad)"),
        ("start,end,label,person\n0,2,sad,A\n0,2,sad,B\n", [], "has the tiers 'A', 'B', and the result the tracks 1"),
        (CODED, ["--people", "A=1"], "has no tier 'A'; it has ''"),
        (CODED, ["--people", "A"], "--people: 'A' is not understood"),
        (
            "start,end,label,person\n0,2,sad,A\n",
            ["--people", "A=7"],
            "--people A=7: the result has no such track; it has 1",
        ),
        (CODED, ["--gaps", "neutral"], "--gaps neutral is not a class of the result"),
        (CODED, ["--bin-seconds", "0"], "--bin-seconds is 0"),
        (CODED, ["--plot", "a.doc"], "unknown kind of picture '.doc'"),
        ("start,end,label\n0,2,smile\n", ["--rename", "smile="], "no coded time is left to compare"),
    ],
)
def test_what_does_not_fit_is_refused(
    folder: Path, text: str, words: Sequence[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    (folder / "a.csv").write_text(text)
    with pytest.raises(SystemExit) as stopped:
        agree(folder, *words)
    assert stopped.value.code == 2
    assert message in capsys.readouterr().err
    assert not (folder / "out.json").exists()


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("a.csv", "a.csv: name it with the suffix .json"),
        ("a.json", "a.json would replace a result that is compared; choose another file"),
    ],
)
def test_what_is_compared_is_not_replaced(
    folder: Path, capsys: pytest.CaptureFixture[str], name: str, message: str
) -> None:
    before = (folder / name).read_bytes()
    with pytest.raises(SystemExit, match="2"):
        main(["agree", str(folder / "a.json"), str(folder / "a.csv"), "--out", str(folder / name)])
    assert message in capsys.readouterr().err
    assert (folder / name).read_bytes() == before
