"""ifdd push to a local hub, the model card, and checkpoints from the hub."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
import torch
import yaml

from ifdd import InputError, Recognizer, load_checkpoint
from ifdd.__main__ import main
from ifdd.data.manifest import dataset_hash, read_manifest
from ifdd.evaluation.report import evaluation_record
from ifdd.inference import HaarDetector
from ifdd.model import BUNDLED, create_model, find_checkpoint, save_checkpoint
from ifdd.records import CheckpointRecord, DatasetRecord, PastTraining, SubsetScores
from ifdd.records.licences import LICENCES
from ifdd.sharing.card import model_card
from tests.helpers.hub import LocalHub, local_hub
from tests.helpers.records import PROTOCOL
from tests.helpers.reports import evaluation_of
from tests.helpers.videos import write_clip_manifest

pytest.importorskip("huggingface_hub")
pytestmark = pytest.mark.filterwarnings("ignore:Use 'content=:DeprecationWarning")
"""huggingface_hub uploads files in a way that its network library is giving up."""
TINY = "ifdd_tiny_synth"


@pytest.fixture
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[LocalHub]:
    with local_hub(tmp_path / "cache", monkeypatch) as served:
        yield served


def write(path: Path, record: CheckpointRecord) -> Path:
    save_checkpoint(path, create_model("ifdd_tiny", 2, size=32), ["happy", "sad"], 1.6, record)
    return path


def front_matter(card: str) -> dict[str, object]:
    _, text, _ = card.split("---\n", 2)
    values: dict[str, object] = yaml.safe_load(text)
    return values


def test_a_pushed_checkpoint_is_the_one_that_comes_back(hub: LocalHub, capsys: pytest.CaptureFixture[str]) -> None:
    main(["push", TINY, "ada/faces", "--private"])
    assert "Published: " in (said := capsys.readouterr().out)
    assert "--checkpoint hf://ada/faces" in said
    assert hub.private == {"ada/faces"}
    assert hub.models["ada/faces"]["model.safetensors"] == BUNDLED[TINY].read_bytes()
    assert find_checkpoint("hf://ada/faces").read_bytes() == BUNDLED[TINY].read_bytes()
    recognizer = Recognizer.from_pretrained("ada/faces", detector=HaarDetector())
    assert recognizer.classes == load_checkpoint(TINY).classes
    assert recognizer.model_info.checkpoint == "faces"
    theirs = load_checkpoint("hf://ada/faces@main").model.state_dict()
    assert all(torch.equal(value, theirs[name]) for name, value in load_checkpoint(TINY).model.state_dict().items())
    main(["push", TINY, "ada/faces"])  # once more, into the same model


def test_the_commands_take_an_address(hub: LocalHub, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    hub.models["ada/faces"] = {"model.safetensors": BUNDLED[TINY].read_bytes()}
    manifest = write_clip_manifest(tmp_path, ["happy", "sad"])
    main(["evaluate", "hf://ada/faces", str(manifest), "--workers", "0", "--out", str(tmp_path / "out")])
    main(["info", "hf://ada/faces", "--seconds", "0.01"])
    assert "SynthDFER" in capsys.readouterr().out
    with pytest.raises(SystemExit) as caught:
        main(["evaluate", "hf://ada/none", str(manifest)])
    assert caught.value.code == 2
    error = capsys.readouterr().err
    assert error.startswith("ifdd evaluate: ada/none on http://127.0.0.1:")
    assert error.count("\n") == 1


def test_the_card_has_data_protocol_scores_limits_and_licence(tmp_path: Path) -> None:
    record = CheckpointRecord(
        preset="ifdd_tiny",
        data="RAVDESS",
        licences=(LICENCES["ravdess"],),
        started_from="first.safetensors (sha256 12)",
        earlier=(PastTraining(dataset="ab", fold=None, chosen_on="none"),),
        recipe={"run": {"seed": 5}, "data": {"fold": 2}, "model": {"weights": "kinetics400"}},
        epoch=7,
        test=SubsetScores(0.5, 0.25),
        selection="highest WAR on the test clips",
        chosen_on="test",
    )
    checkpoint = load_checkpoint(write(tmp_path / "x.safetensors", record))
    card = model_card(checkpoint, "ada/faces")
    assert front_matter(card)["license"] == "cc-by-nc-sa-4.0"
    for line in (
        "# faces",
        "| data | RAVDESS |",
        "| licence | RAVDESS: CC-BY-NC-SA-4.0 (not for commercial use; name the authors; share adaptations alike) |",
        "| started from | first.safetensors (sha256 12) |",
        "| hash of its data | `ab` |",
        "| epoch | 7 |",
        "| selected | highest WAR on the test clips |",
        "| fold | 2 |",
        "| initial weights | kinetics400 |",
        "| test clips, which selected the epoch | 50.00% | 25.00% |",
        "The test clips themselves selected the epoch, which inflates the scores on them.",
        "| clip | 16 frames of 32 x 32 pixels in 1.6 s |",
        "These licences forbid commercial use of the data; treat the weights alike.",
    ):
        assert line in card.splitlines(), line
    assert "Article 5(1)(f)" in card
    assert "computer-generated" not in card


def test_the_card_of_a_bundled_checkpoint_says_what_it_was_trained_on() -> None:
    checkpoint = load_checkpoint(TINY)
    card = model_card(checkpoint, "ada/faces")
    assert front_matter(card)["license"] == "mit"
    assert "**Trained only on computer-generated faces**" in card
    bare = checkpoint._replace(record=replace(checkpoint.record, licences=(), data=None))
    assert front_matter(model_card(bare, "ada/faces"))["license"] == "other"


def test_an_evaluation_adds_its_scores(hub: LocalHub, tmp_path: Path) -> None:
    manifest = write_clip_manifest(tmp_path, ["happy", "sad", "fear"])
    main(["evaluate", TINY, str(manifest), "--workers", "0", "--out", str(tmp_path / "evaluation")])
    main(["push", TINY, "ada/faces", "--evaluation", str(tmp_path / "evaluation"), "--card", str(tmp_path / "card.md")])
    assert hub.requests == []
    card = (tmp_path / "card.md").read_text()
    tested = dataset_hash(read_manifest(manifest))[:12]
    assert f"3 test clips of test.csv, hash {tested} (uniform_segments" in card
    metrics = front_matter(card)["model-index"][0]["results"][0]["metrics"]  # type: ignore[index]
    assert [each["name"] for each in metrics] == ["WAR", "UAR"]
    other = write(tmp_path / "other.safetensors", CheckpointRecord())
    with pytest.raises(SystemExit):
        main(["push", str(other), "ada/faces", "--evaluation", str(tmp_path / "evaluation")])


def test_scores_are_published_under_the_data_that_was_tested() -> None:
    licences = (LICENCES["dfew"],)
    own = DatasetRecord("12" * 32, False, None)
    checkpoint = load_checkpoint(TINY)
    checkpoint = checkpoint._replace(record=CheckpointRecord(data="DFEW", dataset=own, licences=licences))

    def card(dataset: DatasetRecord, used_for: str = "nothing") -> str:
        protocol = replace(PROTOCOL, dataset=dataset, clips_used_for=used_for)
        evaluation = evaluation_record(evaluation_of([("a", 0, 0, 0.9), ("b", 0, 1, 0.9)]), protocol)
        return model_card(checkpoint, "ada/faces", evaluation)

    prepared = replace(PROTOCOL.dataset, synthetic=False)
    unknown = DatasetRecord("34" * 32, None, None)
    drawn = DatasetRecord("56" * 32, True, None)
    for dataset, name in (
        (prepared, "MAFW"),
        (own, "DFEW"),
        (unknown, "manifest.csv, hash 343434343434"),
        (drawn, "SynthDFER, hash 565656565656"),
    ):
        found = card(dataset)
        (result,) = front_matter(found)["model-index"][0]["results"]  # type: ignore[index]
        assert result["dataset"] == {"name": name, "type": name.lower(), "split": "test"}
        assert f"| 3 test clips of fold 3 of {name} (spaced_clips; nothing) | 50.00% |" in found
    trained_on = card(own, "training")
    assert "model-index" not in front_matter(trained_on)
    assert "(spaced_clips; training) | 50.00% |" in trained_on


def test_data_given_by_a_form_needs_consent(hub: LocalHub, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = write(tmp_path / "dfew.safetensors", CheckpointRecord(data="DFEW", licences=(LICENCES["dfew"],)))
    with pytest.raises(SystemExit) as caught:
        main(["push", str(path), "ada/faces"])
    assert caught.value.code == 2
    assert "trained on DFEW, given for research by a signed form" in capsys.readouterr().err
    assert hub.models == {}
    main(["push", str(path), "ada/faces", "--consent"])
    assert front_matter(hub.models["ada/faces"]["README.md"].decode())["license_name"] == "research only"


@pytest.mark.parametrize(
    ("name", "variables", "message"),
    [
        ("faces", {}, "'faces' is not a name on the hub; write USER/MODEL"),
        ("ada/faces", {"IFDD_OFFLINE": "1"}, "IFDD_OFFLINE forbids it"),
        ("ada/faces", {"HF_TOKEN": "hf_reader"}, "refuses (401): log in with: hf auth login"),
        ("ada/faces", {"HF_ENDPOINT": "http://127.0.0.1:9"}, "cannot reach http://127.0.0.1:9"),
    ],
)
def test_what_goes_wrong_is_one_line(
    hub: LocalHub,
    name: str,
    variables: dict[str, str],
    message: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    for variable, value in variables.items():
        monkeypatch.setenv(variable, value)
    with pytest.raises(SystemExit) as caught:
        main(["push", TINY, name])
    error = capsys.readouterr().err
    assert (caught.value.code, error.count("\n")) == (2, 1)
    assert message in error


def test_half_a_name_is_refused() -> None:
    with pytest.raises(InputError, match="write hf://USER/MODEL"):
        Recognizer.from_pretrained("faces")
