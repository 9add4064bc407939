"""``ifdd export`` writes files that say and do what the checkpoint does."""

import copy
import importlib
import importlib.util
import json
import shutil
import sys
import zipfile
from pathlib import Path

import numpy as np
import onnx
import pytest
import torch

from ifdd import Recognizer
from ifdd.__main__ import main
from ifdd.errors import InputError
from ifdd.export import command
from ifdd.export.parity import check_parity
from ifdd.export.program import trace
from ifdd.inference import WindowOptions
from ifdd.model import IFDD, ExportedModel, load_checkpoint, load_exported, load_model
from ifdd.model.engines.exported import FORMAT, OUTPUTS, read_document
from ifdd.records import ParityRecord
from tests.export.conftest import NAMES, PACKAGES, save_tiny
from tests.helpers.faces import DiscDetector, disc_frames
from tests.helpers.processes import run
from tests.helpers.videos import write_clip_manifest, write_video

FORMS = list(NAMES)


def fails(capsys: pytest.CaptureFixture[str], *words: object) -> str:
    """Run a command that must end with exit code 2, and return its one line."""
    with pytest.raises(SystemExit) as ended:
        main([str(word) for word in words])
    assert ended.value.code == 2
    line = capsys.readouterr().err.strip().splitlines()[-1]
    assert line.startswith(f"ifdd {words[0]}: ")
    return line


def clips(count: int) -> torch.Tensor:
    return torch.rand(count, 3, 8, 32, 32, generator=torch.Generator().manual_seed(count))


@pytest.mark.slow
@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("count", [1, 3])
def test_outputs_are_those_of_the_checkpoint_for_any_batch(
    tiny: Path, exported: dict[str, Path], form: str, count: int
) -> None:
    expected = load_checkpoint(tiny).engine("cpu")(clips(count))
    found = load_model(exported[form]).engine("cpu")(clips(count))
    assert found.logits.shape == (count, 7)
    assert found.action_units is None
    torch.testing.assert_close(found.logits, expected.logits, atol=1e-4, rtol=0)
    torch.testing.assert_close(found.emotion, expected.emotion, atol=1e-4, rtol=0)
    assert expected.logits.std() > 0.05  # the comparison means something


@pytest.mark.parametrize("form", FORMS)
def test_the_file_describes_itself_as_the_checkpoint_does(tiny: Path, exported: dict[str, Path], form: str) -> None:
    checkpoint, found = load_checkpoint(tiny), load_exported(exported[form])
    assert found.description == checkpoint.description
    assert found.temperature == checkpoint.temperature == 2.0
    assert found.abstain_below == 0.55
    assert found.record.licences == checkpoint.record.licences
    export = found.export
    assert (export.form, export.precision, export.outputs) == (form, "float32", OUTPUTS)
    assert "clip: float32 (batch, 3, 8, 32, 32)" in export.input
    assert export.checkpoint == "tiny.safetensors"
    assert PACKAGES[form] in export.versions
    assert export.parity.clips == 8
    assert export.parity.largest_difference < 20 * 1e-4  # the classifier's weights are 20 times their usual size


def test_metadata_is_one_json_entry_that_other_programs_can_read(exported: dict[str, Path]) -> None:
    (entry,) = onnx.load(str(exported["onnx"])).metadata_props
    document = json.loads(entry.value)
    assert (entry.key, document["format"]) == ("ifdd", FORMAT)
    assert document["config"]["size"] == 32
    with zipfile.ZipFile(exported["pt2"]) as archive:
        (name,) = (each for each in archive.namelist() if each.endswith("/extra/ifdd.json"))
        assert json.loads(archive.read(name))["classes"] == document["classes"]


@pytest.mark.parametrize("form", FORMS)
def test_a_video_is_read_as_by_the_checkpoint(tiny: Path, exported: dict[str, Path], form: str, tmp_path: Path) -> None:
    video = write_video(tmp_path / "a.mkv", disc_frames(40), fps=25.0)
    expected, found = (
        Recognizer.from_checkpoint(path, DiscDetector()).recognize(video) for path in (tiny, exported[form])
    )
    assert [segment.label for segment in found.segments] == [segment.label for segment in expected.segments]
    for one, other in zip(found.timeline, expected.timeline, strict=True):
        np.testing.assert_allclose(one.probabilities, other.probabilities, atol=1e-4)
    assert found.model.checkpoint == NAMES[form]
    assert found.model.description == expected.model.description


def test_an_exported_model_is_evaluated_and_the_protocol_says_so(
    tiny: Path, exported: dict[str, Path], tmp_path: Path
) -> None:
    manifest = write_clip_manifest(tmp_path / "clips", ["happy", "fear", "angry", "sad"])
    for name, path in (("plain", tiny), ("onnx", exported["onnx"])):
        main(["evaluate", str(path), str(manifest), "--workers", "0", "--out", str(tmp_path / name)])
    plain, found = (json.loads((tmp_path / each / "evaluation.json").read_text()) for each in ("plain", "onnx"))
    assert found["scores"] == plain["scores"]
    assert "export" not in plain["protocol"]["checkpoint"]
    assert found["protocol"]["checkpoint"]["export"]["form"] == "onnx"


def test_action_units_are_exported(tmp_path: Path) -> None:
    checkpoint = save_tiny(tmp_path / "units.safetensors", action_units=(4, 12))
    main(["export", str(checkpoint), str(tmp_path / "units.pt2")])
    expected = load_checkpoint(checkpoint).engine("cpu")(clips(1)).action_units
    found = load_model(tmp_path / "units.pt2").engine("cpu")(clips(1)).action_units
    assert found is not None
    assert expected is not None
    torch.testing.assert_close(found, expected, atol=1e-5, rtol=0)


def test_clips_of_a_manifest_are_compared(tiny: Path, tmp_path: Path) -> None:
    manifest = write_clip_manifest(tmp_path / "clips", ["happy", "fear", "surprise"])
    main(["export", str(tiny), str(tmp_path / "a.pt2"), "--clips", str(manifest)])
    parity = load_exported(tmp_path / "a.pt2").export.parity
    assert parity.clips == 3
    assert parity.dataset is not None


def test_a_model_that_differs_is_refused_and_not_left_behind(
    tiny: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def trace_another(model: IFDD) -> torch.export.ExportedProgram:
        another = copy.deepcopy(model)
        with torch.no_grad():
            another.head.classifier.bias.add_(0.002)
        return trace(another)

    monkeypatch.setattr("ifdd.export.command.trace", trace_another)
    (tmp_path / "old.pt2").write_text("before")
    line = fails(capsys, "export", tiny, tmp_path / "old.pt2")
    assert "differs from PyTorch by up to 0.002" in line
    assert [file.name for file in tmp_path.iterdir()] == ["old.pt2"]
    assert (tmp_path / "old.pt2").read_text() == "before"


def test_the_comparison_is_with_the_model_as_it_was_trained(
    tiny: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def wrong(model: IFDD) -> IFDD:
        form = copy.deepcopy(model)
        with torch.no_grad():
            form.head.classifier.bias.add_(0.002)
        return form

    for place in ("ifdd.export.command", "ifdd.model.engines.engine"):
        monkeypatch.setattr(f"{place}.inference_form", wrong)
    assert "differs from PyTorch by up to 0.002" in fails(capsys, "export", tiny, tmp_path / "a.pt2")


def test_a_difference_of_nan_is_refused() -> None:
    with pytest.raises(InputError, match="differs from PyTorch by up to nan"):
        check_parity(ParityRecord(clips=1, dataset=None, largest_difference=float("nan")), "onnx")


def test_files_that_nobody_named_are_not_replaced(
    tiny: Path, exported: dict[str, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    checkpoint, out = tmp_path / "best.bin", tmp_path / "best.xml"
    shutil.copy(tiny, checkpoint)
    line = fails(capsys, "export", checkpoint, out)
    assert f"{checkpoint} would replace the checkpoint that is exported; choose another file" in line
    assert checkpoint.read_bytes() == tiny.read_bytes()
    (tmp_path / "a.onnx").symlink_to(tiny)
    assert "would replace the checkpoint" in fails(capsys, "export", tiny, tmp_path / "a.onnx")
    line = fails(capsys, "export", tiny, out)
    assert f"{checkpoint} exists and does not belong to an export" in line
    shutil.copy(exported["openvino"], out)
    assert "does not belong to an export" in fails(capsys, "export", tiny, out)  # of this .xml
    assert checkpoint.read_bytes() == tiny.read_bytes()


def test_an_earlier_export_is_replaced(tiny: Path, exported: dict[str, Path], tmp_path: Path) -> None:
    for suffix in (".xml", ".bin"):
        shutil.copy(exported["openvino"].with_suffix(suffix), tmp_path / f"a{suffix}")
    other = save_tiny(tmp_path / "other.safetensors")
    main(["export", str(other), str(tmp_path / "a.xml")])
    assert load_exported(tmp_path / "a.xml").export.checkpoint == "other.safetensors"


def test_only_errors_of_writing_blame_the_disk(
    tiny: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def full(*arguments: object, **options: object) -> None:
        raise RuntimeError("PytorchStreamWriter failed writing file: file write failed\nat inline_container.cc")

    def unreadable(*arguments: object) -> None:
        raise PermissionError(13, "Permission denied", "/elsewhere/clip.mp4")

    with monkeypatch.context() as patched:
        patched.setattr("torch.export.save", full)
        line = fails(capsys, "export", tiny, tmp_path / "a.pt2")
    assert "a.pt2: PytorchStreamWriter failed writing file: file write failed; free space or choose another" in line
    monkeypatch.setattr("ifdd.export.command.drawn_clips", unreadable)
    with pytest.raises(PermissionError, match="elsewhere"):
        command.export(tiny, tmp_path / "a.pt2")
    assert not list(tmp_path.iterdir())


def test_weights_too_large_for_onnx(
    tiny: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("ifdd.export.artifacts.LARGEST_ONNX", 1_000_000)
    for name in ("a.onnx", "a.xml"):
        assert "GB of weights, but an ONNX file, from which" in fails(capsys, "export", tiny, tmp_path / name)


def test_wrong_names_of_the_output(tiny: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert ".onnx (onnx) or .xml (openvino) or .pt2 (pt2)" in fails(capsys, "export", tiny, tmp_path / "a.bin")
    line = fails(capsys, "export", tiny, tmp_path / "a.onnx", "--format", "pt2")
    assert "name it with the suffix .pt2, the suffix of --format pt2" in line


def test_what_cannot_be_exported(exported: dict[str, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert "ifdd_tiny is a preset" in fails(capsys, "export", "ifdd_tiny", tmp_path / "a.pt2")
    assert "is an exported model" in fails(capsys, "export", exported["onnx"], tmp_path / "a.pt2")


def test_a_model_that_cannot_be_traced(
    tiny: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def forward(self: object, stages: list[torch.Tensor]) -> torch.Tensor:
        return stages[-1] * float(stages[-1].sum())  # depends on values

    monkeypatch.setattr("ifdd.model.pyramid.PyramidAggregation.forward", forward)
    line = fails(capsys, "export", tiny, tmp_path / "a.pt2")
    assert "this model cannot be exported" in line


@pytest.mark.parametrize(
    ("command_words", "more"),
    [
        (["explain", "CLIP"], ["--checkpoint", "MODEL"]),
        (["embed", "MODEL", "MANIFEST"], []),
        (["disentangle", "MODEL", "MANIFEST"], []),
        (["calibrate", "MODEL", "MANIFEST"], ["--out", "out.safetensors"]),
        (["info", "MODEL"], []),
    ],
)
def test_what_an_exported_model_cannot_do(
    command_words: list[str],
    more: list[str],
    exported: dict[str, Path],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    manifest = write_clip_manifest(tmp_path / "clips", ["happy", "fear"])
    video = write_video(tmp_path / "a.mkv", disc_frames(40), fps=25.0)
    words = {"MODEL": exported["onnx"], "MANIFEST": manifest, "CLIP": video}
    line = fails(capsys, *[words.get(word, word) for word in (*command_words, *more)])
    assert "is an exported model, which only 'ifdd recognize' and 'ifdd evaluate' can use" in line


def test_a_training_cannot_start_from_it(exported: dict[str, Path]) -> None:
    with pytest.raises(InputError, match="is an exported model"):
        load_checkpoint(exported["pt2"])


@pytest.mark.parametrize("form", FORMS)
def test_a_damaged_file(form: str, exported: dict[str, Path], tmp_path: Path) -> None:
    broken = tmp_path / NAMES[form]
    shutil.copy(exported["openvino"].with_suffix(".bin"), broken.with_suffix(".bin"))
    broken.write_bytes(exported[form].read_bytes()[: exported[form].stat().st_size // 2])
    with pytest.raises(InputError, match="cannot read"):
        load_model(broken)


@pytest.mark.parametrize("form", FORMS)
def test_a_missing_file(form: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    line = fails(
        capsys, "recognize", write_video(tmp_path / "a.mkv", disc_frames(2)), "--checkpoint", tmp_path / NAMES[form]
    )
    assert "no exported model at" in line
    with pytest.raises(InputError, match="no exported model at"):
        load_model(tmp_path / NAMES[form])


def test_weights_of_another_export(exported: dict[str, Path], tmp_path: Path) -> None:
    moved = Path(shutil.copy(exported["openvino"], tmp_path))
    with pytest.raises(InputError, match=r"tiny\.bin, which is missing"):
        load_model(moved)
    weights = bytearray(exported["openvino"].with_suffix(".bin").read_bytes())
    weights[1000] ^= 1
    moved.with_suffix(".bin").write_bytes(weights)
    with pytest.raises(InputError, match="does not belong to"):
        load_model(moved)


def rewritten(exported: dict[str, Path], tmp_path: Path, change: dict[str, object] | None) -> Path:
    """Return a copy of the ONNX file whose document has other values, or no document."""
    model = onnx.load(str(exported["onnx"]))
    document = json.loads(model.metadata_props[0].value)
    del model.metadata_props[:]
    if change is not None:
        onnx.helper.set_model_props(model, {"ifdd": json.dumps(document | change)})
    onnx.save(model, str(tmp_path / "other.onnx"))
    return tmp_path / "other.onnx"


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (None, "is not a model that 'ifdd export' wrote"),
        ({"format": "ifdd-export-2"}, "has the format ifdd-export-2 of another version of ifdd, expected"),
        ({"classes": ["happy"]}, "is damaged: the model has 7 classes, given 1 names"),
        ({"export": {}}, "export"),
    ],
)
def test_a_document_of_another_kind(
    change: dict[str, object] | None, message: str, exported: dict[str, Path], tmp_path: Path
) -> None:
    with pytest.raises(InputError, match=message):
        load_model(rewritten(exported, tmp_path, change))


def test_a_document_that_states_another_size(exported: dict[str, Path], tmp_path: Path) -> None:
    config = json.loads(onnx.load(str(exported["onnx"])).metadata_props[0].value)["config"]
    with pytest.raises(InputError, match=r"takes \(batch, 3, 8, 32, 32\), but its metadata states \(batch, 3, 8, 64"):
        load_model(rewritten(exported, tmp_path, {"config": config | {"size": 64}})).engine("cpu")


def test_clips_of_another_size_or_range(exported: dict[str, Path]) -> None:
    engine = load_model(exported["onnx"]).engine("cpu")
    with pytest.raises(InputError, match=r"takes clips of shape \(batch, 3, 8, 32, 32\), given \(1, 3, 8, 64, 64\)"):
        engine(torch.rand(1, 3, 8, 64, 64))
    with pytest.raises(InputError, match="divide 8-bit values by 255"):
        engine(clips(1) * 255)


def test_whole_numbers_are_refused_as_by_the_checkpoint(exported: dict[str, Path]) -> None:
    """In a process of its own: here the tests' own type checks would come first."""
    script = """
import sys, torch
from ifdd import InputError
from ifdd.model import load_model
try:
    load_model(sys.argv[1]).engine("cpu")(torch.zeros(1, 3, 8, 32, 32, dtype=torch.uint8))
except InputError as error:
    print(error)
"""
    done = run([sys.executable, "-c", script, str(exported["onnx"])])
    assert (
        "takes clips of floating-point values in [0, 1], given torch.uint8; divide 8-bit values by 255" in done.stdout
    )


def test_a_gpu_is_refused(exported: dict[str, Path]) -> None:
    with pytest.raises(InputError, match=r"device is cuda, but .*tiny.onnx runs on the CPU; use device cpu"):
        Recognizer.from_checkpoint(exported["onnx"], DiscDetector(), device="cuda")


def test_another_precision_is_refused(exported: dict[str, Path]) -> None:
    options = WindowOptions(precision="bf16-mixed")
    with pytest.raises(InputError, match=r"tiny.onnx has the precision that it was exported with, not bf16-mixed; "):
        Recognizer.from_checkpoint(exported["onnx"], DiscDetector(), windows=options)


def test_a_document_that_is_nested_too_deeply_is_refused(exported: dict[str, Path], tmp_path: Path) -> None:
    deep, path = b"[" * 100_000, tmp_path / "deep.pt2"
    with zipfile.ZipFile(exported["pt2"]) as source, zipfile.ZipFile(path, "w") as target:
        for name in source.namelist():
            target.writestr(name, deep if name.endswith("model_weights_config.json") else source.read(name))
    with pytest.raises(InputError, match="nested too deeply; export the checkpoint again"):
        load_model(path)
    with pytest.raises(InputError, match="its entry ifdd cannot be read"):
        read_document(deep.decode(), path)


def test_pickles_in_a_program_are_refused(exported: dict[str, Path], tmp_path: Path) -> None:
    path = tmp_path / "evil.pt2"
    with zipfile.ZipFile(exported["pt2"]) as source, zipfile.ZipFile(path, "w") as target:
        for name in source.namelist():
            content = source.read(name)
            if name.endswith("model_weights_config.json"):
                content = content.replace(b'"use_pickle": false', b'"use_pickle": true', 1)
            target.writestr(name, content)
    with pytest.raises(InputError, match="holds pickles"):
        load_model(path)


@pytest.mark.parametrize(("form", "package"), [("onnx", "onnxruntime"), ("openvino", "openvino")])
def test_an_engine_that_is_not_installed(
    form: str, package: str, tiny: Path, exported: dict[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = importlib.import_module

    def without(name: str) -> object:
        if name == package:
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)
        return real(name)

    assert importlib.util.find_spec(package)
    monkeypatch.setattr(importlib, "import_module", without)
    with pytest.raises(InputError, match=rf"needs {package}, which is not installed: pip install 'ifdd\[{form}\]'"):
        load_model(exported[form])
    with pytest.raises(InputError, match=rf"this export needs {package}"):
        command.export(tiny, tmp_path / NAMES[form])


def test_threads_are_those_of_torch(exported: dict[str, Path], monkeypatch: pytest.MonkeyPatch) -> None:
    import onnxruntime

    used: list[int] = []
    real = onnxruntime.InferenceSession

    def session(path: str, options: onnxruntime.SessionOptions, **more: object) -> object:
        used.append(options.intra_op_num_threads)
        return real(path, options, **more)

    loaded = load_model(exported["onnx"])
    assert isinstance(loaded, ExportedModel)
    monkeypatch.setattr(onnxruntime, "InferenceSession", session)
    monkeypatch.setattr(torch, "get_num_threads", lambda: 3)
    loaded.engine("cpu")
    assert used == [3]
