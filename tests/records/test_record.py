"""Records and JSON: records survive a round trip, and errors name file and field."""

import json
from dataclasses import dataclass, fields, is_dataclass, replace
from pathlib import Path
from typing import Any, ClassVar, Literal

import pytest
from safetensors import safe_open

from ifdd import records
from ifdd.errors import InputError
from ifdd.model import BUNDLED
from ifdd.records import (
    BestEpoch,
    CheckpointRecord,
    DatasetRecord,
    EvaluationRecord,
    FileRecord,
    PrepareRecord,
    Record,
    SubsetScores,
    TrainingClips,
    TrainingRecord,
)
from tests.helpers.records import PROTOCOL

RESULTS = Path(__file__).parents[2] / "results"


@dataclass(frozen=True)
class Part(Record):
    name: str
    share: float | None


@dataclass(frozen=True, kw_only=True)
class Whole(FileRecord):
    FILE: ClassVar[str] = "whole.json"
    SCHEMA_VERSION: ClassVar[int] = 3

    count: int
    sure: bool
    state: Literal["running", "done"]
    parts: tuple[Part, ...]
    pair: tuple[int, float]
    sizes: dict[str, dict[str, int]]
    note: str | None = None
    anything: Any


WHOLE = Whole(
    count=3,
    sure=True,
    state="done",
    parts=(Part("a", 0.5), Part("b", None)),
    pair=(1, 2.5),
    sizes={"x": {"y": 1}},
    anything=[None, {"a": 1}],
)
PLAIN: dict[str, Any] = {
    "schema_version": 3,
    "count": 3,
    "sure": True,
    "state": "done",
    "parts": [{"name": "a", "share": 0.5}, {"name": "b", "share": None}],
    "pair": [1, 2.5],
    "sizes": {"x": {"y": 1}},
    "anything": [None, {"a": 1}],
}
TRAINING = TrainingRecord(
    state="running",
    epoch=0,
    epochs=3,
    best=None,
    dataset=DatasetRecord("ab", True, None),
    clips=TrainingClips(train=8, validation=2, unused=0, draws={"happy": 8}),
)
BEST = BestEpoch(epoch=2, test=SubsetScores(0.5, 0.25), selection="best WAR", chosen_on="test")


def test_a_file_survives_a_round_trip(tmp_path: Path) -> None:
    WHOLE.write(tmp_path / "whole.json")
    assert json.loads((tmp_path / "whole.json").read_text()) == PLAIN
    assert Whole.load(tmp_path / "whole.json", "write it again") == WHOLE


def test_optional_fields_without_a_value_are_left_out_and_other_fields_are_null() -> None:
    assert "note" not in WHOLE.plain()
    assert replace(WHOLE, note="x").plain()["note"] == "x"
    assert Part("a", None).plain() == {"name": "a", "share": None}
    with pytest.raises(InputError, match="there: the field share is missing"):
        Part.read({"name": "a"}, "there")


def test_an_integer_is_accepted_as_a_float() -> None:
    assert Part.read({"name": "a", "share": 1}, "there") == Part("a", 1.0)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"count": None}, "count is None; it must be an integer"),
        ({"count": True}, "count is True; it must be an integer"),
        ({"count": 1.0}, "count is 1.0; it must be an integer"),
        ({"sure": 1}, "sure is 1; it must be true or false"),
        ({"state": "over"}, "state is 'over'; it must be one of running, done"),
        ({"state": ["done"]}, r"state is \['done'\]; it must be one of"),
        ({"parts": {}}, "parts is {}; it must be a list"),
        ({"parts": ["a"]}, r"parts\[0\] is 'a'; it must be an object"),
        ({"parts": [{"name": "a", "share": "b"}]}, r"parts\[0\]\.share is 'b'; it must be a finite number"),
        ({"parts": [{"name": "a", "share": 1e999}]}, r"parts\[0\]\.share is inf; it must be a finite number"),
        ({"parts": [{"name": "a", "share": 10**999}]}, r"parts\[0\]\.share is 10+\.\.\.0+; it must be a finite number"),
        ({"parts": [{"name": "a"}]}, r"the field parts\[0\]\.share is missing"),
        ({"parts": [{"name": "a", "share": None, "b": 1}]}, r"unknown field parts\[0\]\.b"),
        ({"pair": [1]}, r"pair is \[1\]; it must be a list of 2"),
        ({"pair": [1, 2, 3]}, r"pair is \[1, 2, 3\]; it must be a list of 2"),
        ({"sizes": {"x": {"y": "z"}}}, r"sizes\.x\.y is 'z'; it must be an integer"),
        ({"sizes": []}, r"sizes is \[\]; it must be an object"),
        ({"note": 1}, "note is 1; it must be text"),
        ({"colour": 1}, "unknown field colour"),
        ({"schema_version": "3"}, "schema_version is '3'; it must be an integer"),
    ],
)
def test_a_wrong_value_is_named_with_file_and_field(tmp_path: Path, change: dict[str, Any], message: str) -> None:
    file = tmp_path / "whole.json"
    file.write_text(json.dumps(PLAIN | change))
    with pytest.raises(InputError, match=rf"whole\.json is damaged \({message}.*\); write it again"):
        Whole.load(file, "write it again")


@pytest.mark.parametrize("name", [name for name in PLAIN if name != "anything"])
def test_a_missing_field_is_named(tmp_path: Path, name: str) -> None:
    (tmp_path / "whole.json").write_text(json.dumps({key: value for key, value in PLAIN.items() if key != name}))
    with pytest.raises(InputError, match=f"damaged .*{name} is (missing|None)"):
        Whole.load(tmp_path / "whole.json", "write it again")


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b"null", b"\xff", b"[" * 100_000])
def test_a_damaged_file_is_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "whole.json").write_bytes(content)
    with pytest.raises(InputError, match=r"whole\.json is damaged \(.*\); write it again"):
        Whole.load(tmp_path / "whole.json", "write it again")


def test_a_file_of_another_schema_version_is_refused(tmp_path: Path) -> None:
    (tmp_path / "whole.json").write_text(json.dumps({"schema_version": 4, "colour": 1}))
    with pytest.raises(InputError, match="has schema version 4 of another version of ifdd; write it again"):
        Whole.load(tmp_path / "whole.json", "write it again")


def test_unusual_file_names_survive_a_round_trip(tmp_path: Path) -> None:
    for name in ("fröhlich", "\udcff", 'a"b\\'):
        replace(WHOLE, note=name).write(tmp_path / "whole.json")
        assert Whole.load(tmp_path / "whole.json", "").note == name
    assert "fröhlich" in replace(WHOLE, note="fröhlich").plain()["note"]


def test_a_run_has_no_best_epoch_before_the_first_one(tmp_path: Path) -> None:
    TRAINING.write(tmp_path / "training.json")
    written = json.loads((tmp_path / "training.json").read_text())
    assert written["best"] == {}
    assert written["clips"] == {"train": 8, "validation": 2, "unused": 0, "draws": {"happy": 8}}
    assert TrainingRecord.load(tmp_path / "training.json", "") == TRAINING
    done = replace(TRAINING, state="done", epoch=3, best=BEST)
    done.write(tmp_path / "training.json")
    assert TrainingRecord.load(tmp_path / "training.json", "") == done
    damaged = json.loads((tmp_path / "training.json").read_text()) | {"best": {}}
    (tmp_path / "training.json").write_text(json.dumps(damaged))
    with pytest.raises(InputError, match="its best epoch is missing"):
        TrainingRecord.load(tmp_path / "training.json", "")


def test_an_epoch_has_the_scores_of_the_clips_that_select_it() -> None:
    assert BEST.scores == SubsetScores(0.5, 0.25)
    assert BEST.plain() == {
        "epoch": 2,
        "test": {"war": 0.5, "uar": 0.25},
        "selection": "best WAR",
        "chosen_on": "test",
    }
    with pytest.raises(InputError, match="epoch 2 must have scores of either"):
        replace(BEST, test=None)


def test_the_record_of_a_checkpoint_includes_its_epoch() -> None:
    record = CheckpointRecord(preset="ifdd_tiny", versions={"ifdd": "1"}).at(BEST)
    assert record.plain() == {"preset": "ifdd_tiny", "versions": {"ifdd": "1"}, "commit": None} | BEST.plain()


@pytest.mark.parametrize(
    "described",
    [
        {},
        {"data": "SynthDFER", "epoch": 3},
        {"author": "somebody", "extra": {"a": [1, None]}, "epoch": 3},
        {"epoch": "the best", "validation": 0.5, "dataset": "CK+", "recipe": ["unknown"]},
        {"dataset": {"hash": "ab"}},
    ],
)
def test_descriptions_of_other_tools_are_kept(described: dict[str, Any]) -> None:
    record = CheckpointRecord.read(described, "there")
    assert record.plain() == described
    assert CheckpointRecord.read(record.plain(), "there") == record
    assert (record.seed, record.fold, record.dataset) == (None, None, None)
    assert replace(record, epoch=4).plain() == described | {"epoch": 4}


def test_any_true_value_marks_a_checkpoint_as_synthetic() -> None:
    assert CheckpointRecord.read({"synthetic": "yes"}, "there").synthetic is True
    assert CheckpointRecord.read({"synthetic": 0}, "there").synthetic is None


def test_properties_from_the_recipe_of_a_checkpoint() -> None:
    recipe = {"run": {"seed": 5}, "data": {"fold": 2}, "model": {"preset": "ifdd_tiny", "ablation": "even_odd"}}
    record = CheckpointRecord(recipe=recipe)
    assert (record.seed, record.fold, record.model_name) == (5, 2, "ifdd_tiny even_odd")
    assert record.recipe_of_all_folds == recipe | {"data": {"fold": None}}
    assert record.recipe_option("augmentation", "flip") is None
    assert CheckpointRecord(recipe={"run": 3, "data": "x"}).seed is None
    assert CheckpointRecord(preset="ifdd_s3d").model_name == "ifdd_s3d"


@pytest.mark.parametrize("name", BUNDLED)
def test_bundled_checkpoints_are_read_completely(name: str) -> None:
    with safe_open(BUNDLED[name], "pt") as file:
        described = json.loads(file.metadata()["description"])
    record = CheckpointRecord.read(described, name)
    assert record.extra == {}
    assert record.plain() == described
    assert record.dataset is not None


@pytest.mark.parametrize("name", ["synth_tiny", *BUNDLED])
def test_result_files_are_read_completely(name: str) -> None:
    file = RESULTS / f"{name}.json"
    record = EvaluationRecord.load(file, "evaluate again")
    assert record.plain() == json.loads(file.read_text())
    assert record.protocol.checkpoint.description.extra == {}


@pytest.mark.parametrize("name", ["dfew", "ferv39k", "mafw", "cremad"])
def test_result_files_of_prepare_are_read_completely(name: str, tmp_path: Path) -> None:
    """Without the keys that the benchmark adds."""
    described = json.loads((RESULTS / f"prepare_{name}.json").read_text())
    del described["benchmark"]
    for check in described["checks"]:
        del check["found"]
    (tmp_path / "prepare.json").write_text(json.dumps(described))
    assert PrepareRecord.load(tmp_path / "prepare.json", "prepare again").plain() == described


def test_a_protocol_survives_a_round_trip() -> None:
    assert type(PROTOCOL).read(json.loads(json.dumps(PROTOCOL.plain())), "there") == PROTOCOL


def test_every_record_is_frozen_and_public() -> None:
    public = [getattr(records, name) for name in records.__all__]
    kinds = [kind for kind in public if isinstance(kind, type)]
    assert all(issubclass(kind, Record) and is_dataclass(kind) for kind in kinds)
    files = [kind for kind in kinds if issubclass(kind, FileRecord) and kind is not FileRecord]
    assert {kind.FILE for kind in files} == {
        "prepare.json",
        "training.json",
        "evaluation.json",
        "crossval.json",
        "disentanglement.json",
        "agreement.json",
    }
    assert all(fields(kind) for kind in files)
