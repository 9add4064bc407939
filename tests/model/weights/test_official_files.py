"""Files of the official release: every form that it saves, every name accounted for, damage refused."""

import logging
from pathlib import Path
from typing import Any

import pytest
import torch

from ifdd import load_official
from ifdd.errors import InputError
from ifdd.model import convert_official
from tests.helpers.official import official_state_dict

StateDict = dict[str, torch.Tensor]


@pytest.fixture(scope="module")
def release() -> StateDict:
    return official_state_dict()


def with_prefix(prefix: str, state_dict: StateDict) -> StateDict:
    return {prefix + name: value for name, value in state_dict.items()}


def averaged(state_dict: StateDict) -> StateDict:
    return {"initted": torch.tensor(True), "step": torch.tensor(7), **with_prefix("ema_model.", state_dict)}


@pytest.mark.slow
def test_every_form_of_a_file_gives_the_same_model(release: StateDict, tmp_path: Path) -> None:
    forms: dict[str, dict[str, Any]] = {
        "bare": release,
        "under model": {
            "epoch": 3,
            "model": release,
            "opt": {"state": {}, "param_groups": [{"lr": 1e-4}]},
            "ema": None,
        },
        "averaged, bare": averaged(release),
        "averaged, under ema": {"ema": averaged(release)},
        "averaged, without prefix": {"ema": release},
        "parallel": with_prefix("module.", release),
        "averaged in parallel": averaged(with_prefix("module.", release)),
    }
    expected = load_official(release).state_dict()
    for form, content in forms.items():
        torch.save(content, tmp_path / "release.pth")
        given = load_official(tmp_path / "release.pth").state_dict()
        assert given.keys() == expected.keys(), form
        assert all(torch.equal(given[name], expected[name]) for name in expected), form


def test_a_file_with_both_kinds_of_weights_asks_which(release: StateDict) -> None:
    other = {name: value + 1 if value.is_floating_point() else value for name, value in release.items()}
    both = {"model": release, "ema": averaged(other)}
    bias = "head.head.1.bias"
    assert torch.equal(load_official(both).head.classifier.bias, release[bias])
    assert torch.equal(load_official(both, part="model").head.classifier.bias, release[bias])
    assert torch.equal(load_official(both, part="ema").head.classifier.bias, other[bias])
    with pytest.raises(InputError, match="holds no weights under 'ema'; it holds model, opt"):
        load_official({"model": release, "opt": {}}, part="ema")


def test_every_entry_is_used_or_reported_with_the_reason(release: StateDict, caplog: pytest.LogCaptureFixture) -> None:
    given = averaged(release | {"head.total_ops": torch.zeros(1)})
    model, used, unused = convert_official(given)
    assert used.keys() | unused.keys() == given.keys()
    assert used.keys().isdisjoint(unused.keys())
    assert set(used.values()) == model.state_dict().keys()
    assert unused["ema_model.head.total_ops"] == "left by the tool that counted the release's operations"
    assert unused["step"] == "state of the weight averaging, not a weight"
    never_read = {name.removeprefix("ema_model.backbone.WaveLifts.") for name, why in unused.items() if "never" in why}
    assert never_read >= {"spatial_pos", "temporal_pos", "class_pos"}
    with caplog.at_level(logging.WARNING):
        load_official(given)
    assert f"{len(unused)} entries of the official checkpoint are not used" in caplog.text
    assert all(f"{name}: {reason}" in caplog.text for name, reason in unused.items())


def test_names_that_are_unknown_missing_or_of_another_shape_are_listed(release: StateDict) -> None:
    with pytest.raises(InputError, match=r"names unknown to the IFDD release: extra\.weight, more\.bias"):
        load_official(release | {"more.bias": torch.zeros(1), "extra.weight": torch.zeros(1)})
    incomplete = {name: value for name, value in release.items() if name != "backbone.CatConv.weight"}
    with pytest.raises(InputError, match=r"missing backbone\.CatConv\.weight"):
        load_official(incomplete)
    with pytest.raises(InputError, match=r"backbone\.CatConv\.weight has shape \(1,\), expected \(768, 1152, 1, 1\)"):
        load_official(release | {"backbone.CatConv.weight": torch.zeros(1)})
    with pytest.raises(InputError, match="no classifier"):
        load_official({name: value for name, value in release.items() if not name.startswith("head.")})
    with pytest.raises(InputError, match="has 9 backbone blocks"):
        load_official({name: value for name, value in release.items() if ".blocks.3." not in name})


def test_the_release_s_first_issm_is_named(release: StateDict) -> None:
    with pytest.raises(InputError, match="the ISSM of the release's first commit"):
        load_official(release | {"backbone.WaveLifts.adapt_split.dim_project.2.weight": torch.zeros(96, 768)})


@pytest.mark.parametrize(
    ("lacking", "message"),
    [
        ("adapt_split.dim_project.0.weight", r"missing backbone\.WaveLifts\.adapt_split\.dim_project\.0\.weight$"),
        ("q_a.weight", r"missing backbone\.WaveLifts\.q_a\.weight$"),
    ],
)
def test_the_name_that_is_missing_is_the_one_that_is_named(release: StateDict, lacking: str, message: str) -> None:
    incomplete = {name: value for name, value in release.items() if not name.endswith(f".{lacking}")}
    with pytest.raises(InputError, match=message):
        load_official(incomplete)


def test_many_unknown_names_are_counted() -> None:
    with pytest.raises(InputError, match=r"layer00\.weight, .* and 5 more$"):
        load_official({f"layer{index:02}.weight": torch.zeros(1) for index in range(25)})


def test_an_order_that_does_not_exist_is_refused(release: StateDict) -> None:
    with pytest.raises((InputError, TypeError), match=r"unknown order 'none'|order"):
        load_official(release, order="none")  # type: ignore[arg-type]


def test_another_number_of_classes_is_refused(release: StateDict) -> None:
    assert load_official(release, num_classes=7).config.num_classes == 7
    with pytest.raises(InputError, match="the state dict has 7 classes, expected 11"):
        load_official(release, num_classes=11)


def test_a_file_that_is_no_release_is_refused(tmp_path: Path) -> None:
    text = tmp_path / "text.pth"
    text.write_text("not a checkpoint")
    with pytest.raises(InputError, match=r"cannot read .*text\.pth"):
        load_official(text)
    with pytest.raises(InputError, match="no checkpoint at"):
        load_official(tmp_path / "missing.pth")
    torch.save([1, 2], tmp_path / "list.pth")
    with pytest.raises(InputError, match="holds no state dict"):
        load_official(tmp_path / "list.pth")
    torch.save({"weight": torch.zeros(3)}, tmp_path / "other.pth")
    with pytest.raises(InputError, match="names unknown to the IFDD release: weight"):
        load_official(tmp_path / "other.pth")


class Exploit:
    """Unpickled without care, this would create a file."""

    def __init__(self, target: Path) -> None:
        self.target = target

    def __reduce__(self) -> tuple[Any, ...]:
        return Path.touch, (self.target,)


def test_a_pickle_cannot_run_code(tmp_path: Path) -> None:
    torch.save({"model": Exploit(tmp_path / "touched")}, tmp_path / "evil.pth")
    with pytest.raises(InputError, match=r"cannot read .*evil\.pth"):
        load_official(tmp_path / "evil.pth")
    assert not (tmp_path / "touched").exists()
