"""``ifdd doctor`` finds planted faults, says what to do, and never fails itself."""

import importlib.metadata
import json
import platform
from collections.abc import Callable, Iterator
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch

from ifdd.__main__ import main
from ifdd.diagnosis import command, hardware, places, software, trials
from ifdd.diagnosis.finding import Finding, guarded, without_names
from ifdd.errors import InputError
from ifdd.faces.detection import YUNET_FILE


def states(findings: Iterator[Finding]) -> dict[str, tuple[str, str, str]]:
    return {each.name: (each.state, each.value, each.remedy) for each in findings}


@pytest.fixture
def few(monkeypatch: pytest.MonkeyPatch) -> None:
    """Leave only the checks that take no time."""
    quick = (software.python, hardware.threads, places.folders, places.settings)
    monkeypatch.setattr(command, "CHECKS", tuple(("group", check) for check in quick))


def test_a_sound_installation_is_healthy(capsys: pytest.CaptureFixture[str]) -> None:
    main(["doctor"])
    shown = capsys.readouterr().out
    assert "Everything works that this installation needs" in shown
    assert "recognise a video" in shown


def test_the_document_holds_nothing_private(
    few: None, capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    secret = tmp_path / "alice_the_secret_person" / "a" / "b"
    secret.mkdir(parents=True)
    monkeypatch.chdir(secret)
    monkeypatch.setenv("TORCH_HOME", str(secret / "cache"))
    monkeypatch.setenv("http_proxy", "http://alice:pa55word@proxy:8080")
    main(["doctor", "--json"])
    text = capsys.readouterr().out
    assert json.loads(text)["healthy"] is True
    monkeypatch.setenv("HOME", "/homes/alice")
    found = without_names(Finding("a", "b", "/homes/alice/x.so of alice: malice", "wrong", "delete /homes/alice/x.so"))
    assert found[2:] == ("~/x.so of USER: malice", "wrong", "delete ~/x.so")
    for private in ("alice", "pa55word", platform.node()):
        assert private not in text


def test_a_remedy_keeps_its_words_whatever_the_name_of_the_user(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/home/app")
    remedy = "pip install 'ifdd[app]', then chmod o-w /home/app/x /disks/app/y"
    found = without_names(Finding("a", "[app]", "not installed", "note", remedy))
    assert found.remedy == "pip install 'ifdd[app]', then chmod o-w ~/x /disks/USER/y"


def test_a_fault_gives_exit_code_1_and_a_remedy(
    few: None, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("IFDD_MAX_MEGAPIXELS", "many")
    with pytest.raises(SystemExit) as stopped:
        main(["doctor", "--json"])
    assert stopped.value.code == 1
    (wrong,) = [each for each in json.loads(capsys.readouterr().out)["findings"] if each["state"] == "wrong"]
    assert wrong["name"] == "IFDD_MAX_MEGAPIXELS"
    assert "unset" in wrong["remedy"]


def fail() -> Iterator[Finding]:
    yield Finding("group", "first", "works")
    raise OSError("libGL.so.1: cannot open shared object file")


def refuse() -> Iterator[Finding]:
    if Path("/").exists():
        raise InputError("the disk is full; free space")
    yield Finding("group", "first", "works")


def test_a_check_that_fails_is_a_finding() -> None:
    found = list(guarded("group", fail))
    assert [each.state for each in found] == ["ok", "wrong"]
    assert "libGL.so.1" in found[1].value
    assert next(guarded("group", refuse)).value == "the disk is full; free space"


def requires(*lines: str) -> Callable[[str], list[str]]:
    return lambda name: list(lines)


def test_packages_that_are_absent_old_or_broken(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "broken_package.py").write_text("import a_library_that_is_not_there")
    (tmp_path / "broken_package-1.0.dist-info").mkdir()
    (tmp_path / "broken_package-1.0.dist-info" / "METADATA").write_text("Name: broken-package\nVersion: 1.0\n")
    monkeypatch.syspath_prepend(tmp_path)
    lines = ["numpy>=99", "rich>=13", "broken-package", "absent-package>=2", 'absent-extra; extra == "plot"']
    lines += ['ifdd[onnx]; extra == "openvino"']
    monkeypatch.setattr(importlib.metadata, "requires", requires(*lines, 'absent-tool; extra == "dev"'))
    found = states(software.packages())
    assert found["numpy"][0] == "wrong"
    assert found["numpy"][2] == "pip install 'numpy>=99'"
    assert found["rich"][0] == "ok"
    assert "a_library_that_is_not_there" in found["broken-package"][1]
    assert found["absent-package"][:2] == ("wrong", "not installed")
    assert found["[plot]"] == ("note", "not installed: absent-extra", "pip install 'ifdd[plot]', if you need it")
    assert "absent-tool" not in str(found)
    assert "ifdd" not in found


def test_two_packages_of_opencv(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.metadata, "requires", requires())
    monkeypatch.setattr(importlib.metadata, "version", lambda name: "4.11")
    state, value, remedy = states(software.packages())["cv2"]
    assert (state, "over each other" in value, "pip uninstall" in remedy) == ("wrong", True, True)


def test_threads(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OMP_NUM_THREADS", "all")
    monkeypatch.setattr(torch, "get_num_threads", lambda: 4096)
    found = states(hardware.threads())
    assert found["OMP_NUM_THREADS"][0] == "wrong"
    assert found["threads"][0] == "note"


def test_a_device_that_computes_wrongly(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch, "ones", lambda *size, device: torch.zeros(*size))
    assert states(hardware.devices())["cpu"][0] == "wrong"


def test_a_driver_that_is_too_old(monkeypatch: pytest.MonkeyPatch) -> None:
    """Devices are counted without the driver; the first call to one then fails."""

    def fail(name: str) -> str:
        raise RuntimeError("The NVIDIA driver on your system is too old\nmore")

    monkeypatch.setattr(torch.cuda, "get_device_name", fail)
    state, value, remedy = states(iter([hardware._device("cuda:0")]))["cuda:0"]
    assert (state, value.endswith("too old"), remedy) == ("wrong", True, "use --device cpu, or repair cuda:0")


@pytest.mark.parametrize("capable", [True, False])
def test_bfloat16_is_named_where_the_processor_has_it(capable: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: {"amx_bf16": capable}, raising=False)
    assert ("bfloat16" in states(hardware.devices())) == capable


def test_folders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    cache = Path(torch.hub.get_dir()) / "checkpoints"
    cache.mkdir(parents=True)
    (cache / "model.onnx").write_bytes(bytes(2_000_000))
    (cache / "model.onnx").chmod(0o666)
    (cache / "server.unreachable").touch()
    monkeypatch.setattr(places, "ENOUGH_BYTES", 1e18)
    found = states(places.folders())
    assert found["files in the cache"][1] == "1, 2.0 MB"
    assert found["server"][0] == "note"
    assert "model.onnx" in found["permissions"][1]
    assert found["temporary files"][0] == "note"
    monkeypatch.setattr(places, "FEW_BYTES", 1e18)
    assert states(places.folders())["temporary files"][0] == "wrong"


def test_a_working_folder_that_is_gone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (gone := tmp_path / "gone").mkdir()
    monkeypatch.chdir(gone)
    gone.rmdir()
    found = states(places.folders())
    assert found["working folder"] == ("note", "is gone (No such file or directory)", "change to another folder")
    assert "temporary files" in found


def test_a_folder_that_is_not_writable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TORCH_HOME", "/proc/nowhere")
    state, value, remedy = states(places.folders())["cache of models"]
    assert (state, "cannot be written to" in value, "TORCH_HOME" in remedy) == ("note", True, True)


def test_a_damaged_detector_and_a_blind_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(trials, "built_in_clip", lambda: np.zeros((6, 64, 64, 3), np.uint8))
    path = Path(torch.hub.get_dir()) / "checkpoints" / YUNET_FILE
    assert states(trials.detectors())["YuNet"][:2] == ("note", "not downloaded yet; its first use does")
    path.parent.mkdir(parents=True)
    path.write_bytes(b"damaged")
    found = states(trials.detectors())
    assert found["Haar cascade"][:2] == ("wrong", "face found in 0 of 1 pictures")
    assert found["YuNet"][:2] == ("wrong", "its file is damaged")
    path.unlink()
    monkeypatch.setenv("IFDD_OFFLINE", "1")
    assert "forbids it" in states(trials.detectors())["YuNet"][1]


def test_an_opencv_without_a_format(monkeypatch: pytest.MonkeyPatch) -> None:
    usual = cv2.imencode
    lost = [".avif"]
    monkeypatch.setattr(
        cv2, "imencode", lambda suffix, image: usual(suffix, image) if suffix not in lost else (False, None)
    )
    assert states(trials.pictures())["write and read pictures"][:2] == ("note", "not .avif")
    lost.append(".jpg")
    assert states(trials.pictures())["write and read pictures"][0] == "wrong"


def test_a_bundled_model_that_is_cut_off(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from ifdd.model import BUNDLED

    name = next(iter(BUNDLED))
    (tmp_path / "cut.safetensors").write_bytes(BUNDLED[name].read_bytes()[:1000])
    monkeypatch.setitem(BUNDLED, name, tmp_path / "cut.safetensors")
    state, value, _ = states(trials.models())[name]
    assert (state, "cut off" in value) == ("wrong", True)


def test_nothing_is_left_behind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr("tempfile.tempdir", None)
    assert next(trials.videos()).state == "ok"
    list(trials.videos())
    assert list(tmp_path.iterdir()) == []
