"""The device is one of this machine, or the message says which it has."""

import pytest
import torch

from ifdd.__main__ import main
from ifdd.errors import InputError
from ifdd.inference.reader import ClipReader
from ifdd.model import choose_device, create_model, load_checkpoint
from ifdd.model.inspection.measuring import measure_cost
from ifdd.training.config import RunConfig
from ifdd.training.engine.processes import placement


def has_gpus(monkeypatch: pytest.MonkeyPatch, count: int, built: str | None = "12.8") -> None:
    """Let torch be built for CUDA and find some GPUs."""
    monkeypatch.setattr(torch.version, "cuda", built)
    monkeypatch.setattr(torch.version, "hip", None)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: count > 0)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: count)
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda index=0: f"Card {index}")
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)


def refusal(name: str) -> str:
    with pytest.raises(InputError) as caught:
        choose_device(name)
    assert len(str(caught.value).splitlines()) == 1
    return str(caught.value)


def test_auto_is_the_first_gpu_or_the_cpu(monkeypatch: pytest.MonkeyPatch) -> None:
    has_gpus(monkeypatch, 2)
    assert choose_device("auto") == "cuda"
    has_gpus(monkeypatch, 0)
    assert choose_device("auto") == "cpu"


def test_a_gpu_is_chosen_by_its_number(monkeypatch: pytest.MonkeyPatch) -> None:
    has_gpus(monkeypatch, 2)
    given = ("cuda", "cuda:0", "cuda:1", " CUDA:1 ", torch.device("cuda", 1), torch.device("cuda"))
    assert [choose_device(each) for each in given] == ["cuda", "cuda:0", "cuda:1", "cuda:1", "cuda:1", "cuda"]
    assert "PyTorch sees only cuda:0 (Card 0), cuda:1 (Card 1); use one of these, or --device cpu" in refusal("cuda:9")
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "3,4")
    assert "(CUDA_VISIBLE_DEVICES is '3,4')" in refusal("cuda:2")


def test_a_build_without_cuda_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    has_gpus(monkeypatch, 0, built=None)
    line = refusal("cuda:1")
    assert f"torch {torch.__version__}, as installed here, is built without CUDA" in line
    assert "https://pytorch.org/get-started/locally" in line


def test_a_build_that_finds_no_gpu_is_told_apart(monkeypatch: pytest.MonkeyPatch) -> None:
    has_gpus(monkeypatch, 0)
    assert "is built for CUDA 12.8; check the driver" in refusal("cuda")
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    assert "sees no GPU here (CUDA_VISIBLE_DEVICES is '')" in refusal("cuda")


@pytest.mark.skipif(torch.backends.mps.is_available(), reason="this is a Mac with such a GPU")
def test_mps_elsewhere_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("platform.system", lambda: "Linux")
    assert "--device mps is the GPU of a Mac, and this is Linux; use --device cuda or cpu" in refusal("mps")
    monkeypatch.setattr("platform.system", lambda: "Darwin")
    assert f"torch {torch.__version__}, as installed here, " in refusal("mps:0")


@pytest.mark.parametrize(
    ("name", "hint"),
    [
        ("gpu", "; did you mean cuda?"),
        ("gpu:1", "; did you mean cuda:1?"),
        ("0", "; did you mean cuda:0?"),
        ("cuda1", "; did you mean cuda:1?"),
        ("nvidia", "; did you mean cuda?"),
        ("metal", "; did you mean mps?"),
        ("cuda:x", "one model runs on one device"),
        ("cuda:-1", "one model runs on one device"),
        ("cuda:0,1", "one model runs on one device"),
        ("tpu", "use auto, cpu, cuda, cuda:1 (the second GPU) or mps (the GPU of a Mac)"),
        ("", "use auto"),
    ],
)
def test_other_words_get_a_suggestion(name: str, hint: str) -> None:
    assert hint in refusal(name)


def test_python_is_told_of_its_argument() -> None:
    with pytest.raises(InputError, match=r"^device is 'gpu'; use auto"):
        ClipReader(load_checkpoint("ifdd_tiny_synth"), "gpu")


@pytest.mark.parametrize(
    "words",
    [
        ["recognize", "film.mp4"],
        ["evaluate", "a.safetensors", "m.csv"],
        ["calibrate", "a.safetensors", "m.csv", "--out", "b.safetensors"],
        ["info", "ifdd_tiny"],
    ],
)
def test_every_command_refuses_the_device_first(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match="2"):
        main([*words, "--device", "gpu:3"])
    assert "--device is 'gpu:3'; use auto, cpu, cuda" in capsys.readouterr().err


def test_training_runs_on_the_gpu_of_that_number(monkeypatch: pytest.MonkeyPatch) -> None:
    has_gpus(monkeypatch, 2)
    assert placement(RunConfig(device="cuda:1")) == ("cuda", [1], 1, 1)
    assert placement(RunConfig(device="cuda", devices=2)) == ("cuda", 2, 1, 2)
    assert placement(RunConfig(device="cpu", devices=2)) == ("cpu", 2, 1, 2)
    with pytest.raises(InputError, match=r"run\.device cuda:1 is one GPU, but 2 are to be used"):
        placement(RunConfig(device="cuda:1", devices=2))
    with pytest.raises(InputError, match=r"run\.device cuda:7: PyTorch sees only cuda:0"):
        placement(RunConfig(device="cuda:7"))


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
def test_the_gpu_that_is_named_is_measured() -> None:
    cost = measure_cost(create_model("ifdd_tiny"), 1, f"cuda:{torch.cuda.device_count() - 1}", 0.02)
    assert cost.activations > 0
    assert cost.latency > 0
