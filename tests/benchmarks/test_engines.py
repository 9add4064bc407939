"""The benchmark of engines times PyTorch as ifdd does, and mixes neither machines nor checkpoints."""

import json
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from benchmarks import engines, exported
from ifdd.errors import InputError
from ifdd.files import file_sha256
from ifdd.model import create_model


def has_batch_norms(model: torch.nn.Module) -> bool:
    return any(isinstance(module, torch.nn.BatchNorm3d) for module in model.modules())


def test_pytorch_runs_the_form_for_inference(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    models: list[torch.nn.Module] = []

    def keep(model: torch.nn.Module) -> torch.nn.Module:
        models.append(model)
        return model

    monkeypatch.setattr(torch, "compile", keep)
    runs = dict(engines.engines(tmp_path, "ifdd_tiny", threads=1, compiled=True))
    assert list(runs) == ["pytorch", "torch.compile"]
    assert not has_batch_norms(models[0])
    used: list[torch.nn.Module] = []
    with torch.nn.modules.module.register_module_forward_hook(lambda module, *_: used.append(module)):
        runs["pytorch"](np.zeros((1, 3, 16, 64, 64), np.float32))
    assert used
    assert not any(map(has_batch_norms, used))
    assert has_batch_norms(create_model("ifdd_tiny"))


def test_a_folder_without_exported_files_is_refused_before_anything_is_measured(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "ifdd_small_onnx.onnx").touch()
    monkeypatch.setattr(engines, "measure", lambda *_: pytest.fail("measured"))
    monkeypatch.setattr(torch, "set_num_threads", lambda _: None)
    monkeypatch.setattr(sys, "argv", ["engines", str(tmp_path), "ifdd_tiny", "--out", str(tmp_path / "engines.json")])
    with pytest.raises(SystemExit, match="2"):
        engines.main()
    assert f"{tmp_path} has no exported ifdd_tiny; run" in capsys.readouterr().err


def test_times_of_other_machines_or_threads_are_not_mixed(tmp_path: Path) -> None:
    out = tmp_path / "engines.json"
    engines.refuse_mixing(out, 2)
    engines.add(out, "timings", "ifdd_tiny 1", {"threads": 2})
    engines.refuse_mixing(out, 2)
    with pytest.raises(InputError, match="measured with 2 threads; give that as --threads"):
        engines.refuse_mixing(out, 1)
    report = json.loads(out.read_text())
    assert report["machine"]["spin_count"], "as in the command ifdd"
    out.write_text(json.dumps(report | {"machine": report["machine"] | {"openvino": "1.0"}}))
    with pytest.raises(InputError, match="another openvino; give another --out"):
        engines.add(out, "timings", "ifdd_tiny 8", {"threads": 2})


def test_two_checkpoints_of_one_name_are_not_mixed(tmp_path: Path) -> None:
    out, checkpoint = tmp_path / "engines.json", tmp_path / "best.safetensors"
    checkpoint.write_text("first")
    exported.refuse_namesake(checkpoint, out)
    engines.add(out, "accuracy", checkpoint.name, {"sha256": file_sha256(checkpoint)})
    exported.refuse_namesake(checkpoint, out)
    checkpoint.write_text("second")
    with pytest.raises(InputError, match=r"has another checkpoint called best\.safetensors; rename this one"):
        exported.refuse_namesake(checkpoint, out)
