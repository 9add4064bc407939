"""The baselines: shapes, gradients, what each can know of time, and sizes near those of the model."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from ifdd.errors import InputError
from ifdd.model import IFDD, PRESETS
from ifdd.model.backbones import BACKBONES
from ifdd.model.config import ABLATIONS, IFDDConfig
from ifdd.model.inspection.counting import count_parts
from ifdd.training.study.baselines import register_baselines

FOLDER = Path(__file__).parents[2] / "benchmarks" / "baselines"
NAMES = ("frame_average", "frame_transformer", "resnet3d")
LARGE = tuple(f"{name}_large" for name in NAMES)


@pytest.fixture(autouse=True)
def registered(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    before = dict(BACKBONES)
    files = {f"{name}{size}": f"{FOLDER / name}.py:{name}{size}" for name in NAMES for size in ("", "_large")}
    register_baselines(files)
    yield
    BACKBONES.clear()
    BACKBONES.update(before)


def config_of(name: str, **changes: Any) -> IFDDConfig:
    preset = PRESETS["ifdd_s3d" if name in LARGE else "ifdd_tiny"]
    return replace(preset, backbone=name, **ABLATIONS["backbone_only"], **changes)


def model_of(name: str) -> IFDD:
    torch.manual_seed(0)
    return IFDD(config_of(name, size=32, dropout=0.0))


@pytest.mark.parametrize("name", [*NAMES, *LARGE])
def test_shapes(name: str) -> None:
    with torch.device("meta"):
        model = IFDD(config_of(name)).eval()
        clip = torch.empty(2, 3, 16, model.config.size, model.config.size)
    maps = model.backbone(clip)
    assert [tuple(each.shape[1:]) for each in maps] == [tuple(stage) for stage in model.backbone.stages]
    assert model(clip).logits.shape == (2, 7)


@pytest.mark.parametrize("name", NAMES)
def test_a_gradient_reaches_every_parameter(name: str) -> None:
    model = model_of(name).train()
    model(torch.rand(2, 3, 16, 32, 32)).logits.square().sum().backward()
    without = [label for label, value in model.named_parameters() if value.grad is None or not value.grad.any()]
    assert without == []


@pytest.mark.parametrize(("name", "knows"), [("frame_average", False), ("frame_transformer", True), ("resnet3d", True)])
def test_only_the_average_of_frames_ignores_their_order(name: str, knows: bool) -> None:
    model = model_of(name).eval()
    clip = torch.rand(1, 3, 16, 32, 32)
    with torch.no_grad():
        forwards, backwards = model(clip).logits, model(clip.flip(2)).logits
    assert torch.allclose(forwards, backwards, atol=1e-5) is not knows


@pytest.mark.parametrize("name", [*NAMES, *LARGE])
def test_the_size_is_near_that_of_the_model(name: str) -> None:
    size = 128 if name in LARGE else 64
    own, full, alone = (
        (sum(part.parameters for part in parts), sum(part.macs for part in parts))
        for parts in map(count_parts, _configs(name, size))
    )
    assert 0.6 * alone[0] < own[0] < 1.2 * full[0]
    assert 0.9 * alone[1] < own[1] < 1.25 * full[1]


def _configs(name: str, size: int) -> tuple[IFDDConfig, IFDDConfig, IFDDConfig]:
    full = replace(PRESETS["ifdd_s3d" if name in LARGE else "ifdd_tiny"], size=size)
    return config_of(name, size=size), full, replace(full, **ABLATIONS["backbone_only"])


@pytest.mark.parametrize(
    ("baselines", "message"),
    [
        ({"s3d": "a.py:f"}, r"baselines\.s3d is a backbone of ifdd"),
        ({"mine": "a.py"}, r"baselines\.mine is 'a.py'; write file\.py:function"),
        ({"mine": "absent.py:f"}, r"baselines\.mine: absent\.py does not exist"),
        ({"mine": "absent.module:f"}, r"cannot import absent\.module"),
        ({"mine": f"{FOLDER}/resnet3d.py:absent"}, r"benchmarks\.baselines\.resnet3d has no function 'absent'"),
    ],
)
def test_wrong_baselines_are_refused(baselines: dict[str, str], message: str) -> None:
    with pytest.raises(InputError, match=message):
        register_baselines(baselines)
