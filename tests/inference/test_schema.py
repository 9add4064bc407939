"""The JSON format against its schema."""

import json
from collections.abc import Callable, Iterator
from dataclasses import replace
from importlib.resources import files
from pathlib import Path
from typing import Any

import cv2
import pytest
from jsonschema import Draft202012Validator

from ifdd.faces.quality import FLAWS, STILL, TOO_FEW
from ifdd.inference import SCHEMA_VERSION, Recognizer, WindowOptions
from ifdd.model import IFDD, load_checkpoint
from ifdd.records import CheckpointRecord
from tests.helpers.faces import DiscDetector, disc_frames
from tests.helpers.records import CALIBRATION
from tests.helpers.videos import write_frame_folder

SCHEMA = json.loads((files("ifdd.inference.outputs") / "recognition.schema.json").read_text("utf-8"))
VALIDATOR = Draft202012Validator(SCHEMA)


def fields(schema: dict[str, Any], path: str = "") -> Iterator[tuple[str, bool]]:
    """Yield the path of every field with values, and whether it is always present."""
    for name, field in schema.get("properties", {}).items():
        inner = field["items"] if field.get("items", {}).get("properties") else field
        place = f"{path}{name}" + ("[]" if inner is not field else "")
        if "properties" in inner:
            always = name in schema["required"]
            yield from ((path, always and required) for path, required in fields(inner, place + "."))
        else:
            yield place, name in schema["required"]


@pytest.fixture(scope="module")
def form(checkpoint: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """The JSON form of a run on images of two sizes; the model has a notice, landmarks and action units."""
    places = {i: (40.0 if i < 30 else 90.0, 48.0) for i in range(60)}
    frames = disc_frames(60, places, greys=[20] * 30 + [200] * 30)
    video = write_frame_folder(tmp_path_factory.mktemp("video") / "frames", frames)
    for number in range(50, 61):  # the picture changes its size
        file = video / f"{number}.png"
        cv2.imwrite(str(file), cv2.resize(frames[number - 1][..., ::-1], None, fx=2, fy=2))
    plain = load_checkpoint(checkpoint)
    model = IFDD(replace(plain.model.config, alignment="landmarks", action_units=(4, 12)))
    model.load_state_dict(plain.model.state_dict(), strict=False)
    loaded = plain._replace(model=model.eval(), record=CheckpointRecord(synthetic=True), calibration=CALIBRATION)
    windows = WindowOptions(stride_seconds=0.2, class_weights={"happy": 0.5})
    recognition = Recognizer(loaded, DiscDetector(), windows=windows, origin=checkpoint).recognize(video)
    written: dict[str, Any] = json.loads(recognition.to_json())
    return written


def test_the_schema_is_valid() -> None:
    Draft202012Validator.check_schema(SCHEMA)
    assert SCHEMA["properties"]["schema_version"]["const"] == SCHEMA_VERSION
    assert SCHEMA["$id"].endswith(SCHEMA_VERSION)
    assert SCHEMA["$defs"]["flaw"]["enum"] == ["", *FLAWS.values(), TOO_FEW, STILL]


def test_a_real_result_is_valid_and_has_every_field(form: dict[str, Any]) -> None:
    VALIDATOR.validate(form)
    assert len(form["tracks"]) == 2
    assert form["shot_boundaries_seconds"] != []
    for path, _ in fields(SCHEMA):
        value: Any = form
        for name in path.split("."):
            value = value[name.removesuffix("[]")]
            value = value[0] if name.endswith("[]") else value


def test_no_face_and_a_model_without_origin_are_valid(checkpoint: Path, tmp_path: Path) -> None:
    folder = write_frame_folder(tmp_path / "frames", disc_frames(5, {}))
    recognition = Recognizer(load_checkpoint(checkpoint), DiscDetector()).recognize(folder)
    written = json.loads(recognition.to_json())
    VALIDATOR.validate(written)
    assert written["tracks"] == []
    assert not {"notice", "calibration", "action_units", "class_weights"} & written["model"].keys()


BREAKS: dict[str, Callable[[dict[str, Any]], object]] = {
    "an additional field": lambda form: form.update(colour="red"),
    "an additional column in the boxes": lambda form: form["tracks"][0]["boxes"].update(z=[1.0]),
    "five numbers for a box": lambda form: form["tracks"][0]["boxes"]["xyxy"][0].append(1.0),
    "a missing field": lambda form: form["tracks"][0]["segments"][0].pop("confidence"),
    "another version": lambda form: form.update(schema_version="3.0"),
    "above 1": lambda form: form["tracks"][0]["windows"][0].update(quality=1.5),
    "text for a number": lambda form: form["video"].update(fps="25"),
    "an unknown flaw": lambda form: form["tracks"][0]["windows"][0].update(flaw="ugly"),
    "null for a number": lambda form: form["tracks"][0]["segments"][0].update(probability=None),
}


@pytest.mark.parametrize("name", BREAKS)
def test_a_broken_result_is_invalid(form: dict[str, Any], name: str) -> None:
    broken = json.loads(json.dumps(form))
    BREAKS[name](broken)
    assert not VALIDATOR.is_valid(broken)


def test_only_the_documented_optional_fields_may_be_absent() -> None:
    optional = {path for path, always in fields(SCHEMA) if not always}
    named = {"action_units", "alignment", "calibration", "checkpoint", "checkpoint_sha256", "class_weights", "notice"}
    assert optional == {f"model.{name}" for name in named} | {
        "tracks[].windows[].action_units",
        "video.files",
        *(f"video.sizes[].{name}" for name in ("frame", "seconds", "width", "height")),
    }
