"""``ifdd convert``: the output is the release's model with the right class names, usable in every command."""

from pathlib import Path

import pytest
import torch

from ifdd import create_model, load_checkpoint, load_official
from ifdd.__main__ import main
from ifdd.model import class_probabilities, save_checkpoint
from ifdd.records import CheckpointRecord, SubsetScores
from ifdd.records.licences import LICENCES
from tests.helpers.official import official_state_dict
from tests.helpers.records import CALIBRATION


@pytest.fixture(scope="module")
def release(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("release") / "release.pth"
    torch.save({"epoch": 1, "model": official_state_dict(), "opt": {}}, path)
    return path


def test_the_output_is_the_model_of_the_release(
    release: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "ifdd.safetensors"
    main(["convert", str(release), str(out), "--classes", "ferv39k", "--frames", "32", "--order", "predictor_first"])
    printed = capsys.readouterr().out
    for wanted in ("mvit_xs", "issm", "predictor_first", "official", "backbone.WaveLifts.spatial_pos", "never read"):
        assert wanted in printed
    converted = load_checkpoint(out)
    expected = load_official(release, frames=32, order="predictor_first")
    assert converted.model.config == expected.config
    weights = expected.state_dict()
    assert all(torch.equal(value, weights[name]) for name, value in converted.model.state_dict().items())
    assert converted.classes == ("angry", "disgust", "fear", "happy", "neutral", "sad", "surprise")
    assert converted.clip_seconds == 2.56
    assert converted.record == CheckpointRecord(
        converted_from="release.pth", data="ferv39k", synthetic=False, licences=(LICENCES["ferv39k"],)
    )


def test_classes_of_unknown_order_are_numbered(
    release: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    main(["convert", str(release), str(tmp_path / "ifdd.safetensors")])
    assert load_checkpoint(tmp_path / "ifdd.safetensors").classes == tuple(f"class{index}" for index in range(7))
    assert "--classes dfew or --classes ferv39k" in capsys.readouterr().out


def test_eleven_classes_get_the_names_of_mafw(tmp_path: Path) -> None:
    torch.save(official_state_dict(num_classes=11), tmp_path / "mafw.pth")
    main(["convert", str(tmp_path / "mafw.pth"), str(tmp_path / "ifdd.safetensors")])
    assert load_checkpoint(tmp_path / "ifdd.safetensors").classes[7:9] == ("contempt", "anxiety")


@pytest.mark.parametrize(
    ("name", "options", "message"),
    [
        ("ifdd.pth", [], "name it with the suffix .safetensors"),
        ("ifdd.safetensors", ["--classes", "mafw"], "has 7 classes, expected 11"),
        ("ifdd.safetensors", ["--clip-seconds", "0"], "--clip-seconds is 0.0; it must be above 0"),
        ("ifdd.safetensors", ["--part", "ema"], "holds no weights under 'ema'"),
        ("ifdd.safetensors", ["--frames", "20"], "frames"),
    ],
)
def test_a_mistake_gives_one_line_and_writes_nothing(
    release: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], name: str, options: list[str], message: str
) -> None:
    with pytest.raises(SystemExit) as stop:
        main(["convert", str(release), str(tmp_path / name), *options])
    assert stop.value.code == 2
    error = capsys.readouterr().err
    assert message in error
    assert error.count("\n") == 1
    assert not list(tmp_path.iterdir())


def test_entries_beyond_the_first_of_a_reason_are_counted(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    state_dict = official_state_dict()
    averaged = {
        f"{prefix}.{name}": value for prefix in ("ema_model", "online_model") for name, value in state_dict.items()
    }
    torch.save(averaged, tmp_path / "ema.pth")
    main(["convert", str(tmp_path / "ema.pth"), str(tmp_path / "ifdd.safetensors")])
    printed = capsys.readouterr().out
    assert f"and {len(state_dict) - 12} more like online_model." in printed
    assert printed.count("online_model.") == 13


def test_half_precision_halves_an_ifdd_checkpoint(tmp_path: Path) -> None:
    whole, half = tmp_path / "whole.safetensors", tmp_path / "half.safetensors"
    save_checkpoint(
        whole,
        create_model("ifdd_tiny", size=32),
        ("a", "b", "c", "d", "e", "f", "g"),
        1.6,
        CheckpointRecord(epoch=3),
        calibration=CALIBRATION,
    )
    main(["convert", str(whole), str(half), "--half"])
    assert 0.5 < half.stat().st_size / whole.stat().st_size < 0.52
    first, second = load_checkpoint(whole), load_checkpoint(half)
    assert first[1:] == second[1:]
    assert first.calibration == CALIBRATION
    weights = second.model.state_dict()
    for name, value in first.model.state_dict().items():
        expected = value.half().float() if value.ndim > 1 else value
        assert weights[name].dtype == value.dtype
        assert torch.equal(weights[name], expected)


def test_classes_are_weighted_in_the_checkpoint(tmp_path: Path) -> None:
    plain, weighted, again = (tmp_path / f"{name}.safetensors" for name in ("plain", "weighted", "again"))
    torch.manual_seed(0)
    network = create_model("ifdd_tiny", size=32).eval()
    scored = CheckpointRecord(epoch=3, validation=SubsetScores(war=0.8, uar=0.7))
    save_checkpoint(plain, network, tuple("abcdefg"), 1.6, scored, calibration=CALIBRATION)
    main(["convert", str(plain), str(weighted), "--class-weights", "{b: 2, g: 0.6}"])
    main(["convert", str(weighted), str(again), "--class-weights", "{b: 0.5, c: 3}"])
    clip = torch.rand(2, 3, 16, 32, 32)
    read = {
        path: class_probabilities(load_checkpoint(path).model(clip).logits, CALIBRATION.temperature)
        for path in (plain, weighted, again)
    }
    for path, weights in ((weighted, (1, 2, 1, 1, 1, 1, 0.6)), (again, (1, 1, 3, 1, 1, 1, 0.6))):
        expected = read[plain] * torch.tensor(weights)
        torch.testing.assert_close(read[path], expected / expected.sum(1, keepdim=True))
    assert load_checkpoint(weighted).record == CheckpointRecord(epoch=3, class_weights={"b": 2.0, "g": 0.6})
    assert load_checkpoint(again).record.class_weights == {"c": 3.0, "g": 0.6}


def test_a_bundled_checkpoint_is_weighted_by_its_name(tmp_path: Path) -> None:
    main(["convert", "ifdd_tiny_synth", str(tmp_path / "mine.safetensors"), "--class-weights", "{neutral: 2}"])
    assert load_checkpoint(tmp_path / "mine.safetensors").record.class_weights == {"neutral": 2.0}


@pytest.mark.parametrize(
    ("weights", "message"),
    [
        ("{x: 2}", "--class-weights names 'x', which is not a class; use a, b, c, d, e, f, g"),
        ("{a: 0}", "--class-weights a is 0.0; it must be above 0"),
    ],
)
def test_wrong_weights_of_classes_are_refused(
    weights: str, message: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    plain, out = tmp_path / "plain.safetensors", tmp_path / "out.safetensors"
    save_checkpoint(plain, create_model("ifdd_tiny", size=32), tuple("abcdefg"), 1.6, CheckpointRecord())
    with pytest.raises(SystemExit, match="2"):
        main(["convert", str(plain), str(out), "--class-weights", weights])
    assert message in capsys.readouterr().err
    assert not out.exists()


def test_classes_of_the_release_are_weighted_after_the_conversion(
    release: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit, match="2"):
        main(["convert", str(release), str(tmp_path / "out.safetensors"), "--class-weights", "{happy: 2}"])
    assert "convert the release's file first" in capsys.readouterr().err


def test_options_of_the_release_are_refused_for_an_ifdd_checkpoint(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit, match="2"):
        main(["convert", str(tmp_path / "ours.safetensors"), str(tmp_path / "out.safetensors"), "--classes", "dfew"])
    assert "the only options are --half and --class-weights" in capsys.readouterr().err


def test_a_checkpoint_is_never_replaced_by_its_conversion(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "whole.safetensors"
    save_checkpoint(path, create_model("ifdd_tiny", size=32), tuple("abcdefg"), 1.6, CheckpointRecord())
    before = path.read_bytes()
    with pytest.raises(SystemExit, match="2"):
        main(["convert", str(path), str(path), "--half"])
    assert "would replace the checkpoint that is converted; choose another file" in capsys.readouterr().err
    assert path.read_bytes() == before
