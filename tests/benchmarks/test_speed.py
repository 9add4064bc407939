"""The baseline of the speed benchmark computes what the model computes, and its limit counts every product."""

import json
import os
import sys
import time
from pathlib import Path

import pytest
import torch

from benchmarks import speed
from benchmarks.operations import GROUPS, OTHER, profile_operations
from benchmarks.plain import PlainIFDD
from benchmarks.products import Product, gigaflop, only_products, products_of
from ifdd.errors import InputError
from ifdd.model import IFDD, IFDDLoss, create_model


@pytest.fixture(scope="module")
def model() -> IFDD:
    torch.manual_seed(0)
    model = create_model("ifdd_mvit_xs", size=64, frames=8)
    for name, table in model.named_parameters():
        if "rel_pos" in name:
            torch.nn.init.normal_(table, std=0.2)
    return model


def test_the_plain_model_gives_the_same_outputs(model: IFDD) -> None:
    plain, clips = PlainIFDD(model.eval()), torch.rand(2, 3, 8, 64, 64)
    with torch.inference_mode():
        for ours, theirs in zip(model(clips)[:3], plain(clips)[:3], strict=True):
            torch.testing.assert_close(ours, theirs, atol=1e-4, rtol=1e-4)


def test_the_plain_model_gives_the_same_gradients(model: IFDD) -> None:
    plain, clips = PlainIFDD(model.eval()), torch.rand(2, 3, 8, 64, 64)  # no dropout, so that both compute the same
    loss = IFDDLoss(model.config)
    model.zero_grad()
    for network in (model, plain):
        loss(network(clips), torch.eye(7)[:2]).total.backward()
    theirs = dict(plain.model.named_parameters())
    for name, parameter in model.named_parameters():
        own, other = parameter.grad, theirs[name].grad
        assert own is not None
        assert other is not None
        assert (own - other).norm() <= 1e-3 * other.norm() + 1e-7, name


def test_products_are_counted_by_hand() -> None:
    layer, attention = torch.nn.Linear(3, 5), torch.rand(2, 7, 3)
    convolution = torch.nn.Conv3d(2, 4, (1, 2, 2))
    depthwise = torch.nn.Conv3d(2, 2, 3, groups=2, padding=1)

    def work() -> None:
        layer(attention)
        attention @ attention.transpose(1, 2)
        convolution(torch.rand(1, 2, 3, 4, 4))
        depthwise(torch.rand(1, 2, 3, 4, 4))

    with torch.no_grad():
        found = products_of(work)
    expected = {Product(14, 3, 5): 1, Product(7, 3, 7): 2, Product(3 * 3 * 3, 2 * 4, 4): 1}
    assert found == expected
    assert gigaflop(found) == pytest.approx(2e-9 * (14 * 3 * 5 + 2 * 7 * 3 * 7 + 27 * 8 * 4))
    only_products(found)()


def test_the_products_of_the_model_are_those_of_the_release() -> None:
    with torch.device("meta"):
        plain = PlainIFDD(create_model("ifdd_mvit_xs").eval())
        with torch.no_grad():
            products = products_of(lambda: plain(torch.empty(1, 3, 16, 224, 224)))
    assert gigaflop(products) == pytest.approx(95.7, abs=1)  # its counter includes depthwise convolutions


def test_ratios_are_taken_within_rounds() -> None:
    assert speed.ratio([2.0, 40.0, 6.0], [1.0, 10.0, 2.0]) == {"median": 3.0, "low": 2.5, "high": 3.5}


def test_a_part_is_merged_into_the_file_of_the_machine(tmp_path: Path) -> None:
    out = tmp_path / "bench.json"
    speed.merge(out, "inference", "batch_1", {"a": 1}, 2)
    speed.merge(out, "memory", "inference", {"b": 2}, 2)
    report = json.loads(out.read_text())
    assert list(report) == ["machine", "inference", "memory"]
    assert report["inference"] == {"batch_1": {"a": 1}}


def test_a_file_of_other_threads_or_software_is_not_mixed(tmp_path: Path) -> None:
    out = tmp_path / "bench.json"
    speed.merge(out, "inference", "batch_1", {"a": 1}, 2)
    with pytest.raises(InputError, match=r"measured with another threads; give another --out, or delete it"):
        speed.merge(out, "memory", "inference", {"b": 2}, 3)
    report = json.loads(out.read_text())
    out.write_text(json.dumps(report | {"machine": report["machine"] | {"torch": "1.0", "threads": 3}}))
    with pytest.raises(InputError, match="another threads, torch"):
        speed.merge(out, "memory", "inference", {"b": 2}, 2)
    assert "memory" not in json.loads(out.read_text())


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--presets", "ifdd_tiny,typo"], "unknown preset 'typo'"),
        (["--parts", "typo"], "unknown part 'typo'"),
        (["--rounds", "2"], "--rounds is 2; it must be at least 3"),
        (["--threads", "3"], "measured with another threads"),
    ],
)
def test_mistakes_are_refused_before_anything_is_measured(
    words: list[str], message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "bench.json"
    speed.merge(out, "inference", "batch_1", {"a": 1}, 1)
    monkeypatch.setattr(speed, "measure_part", lambda *_: pytest.fail("measured"))
    monkeypatch.setattr(torch, "set_num_threads", lambda _: None)
    monkeypatch.setattr(sys, "argv", ["speed", "--threads", "1", "--out", str(out), *words])
    with pytest.raises(SystemExit, match="2"):
        speed.main()
    assert message in capsys.readouterr().err


def test_what_is_measured_warms_up_and_short_runs_are_repeated() -> None:
    runs: list[str] = []

    def run(name: str, seconds: float) -> None:
        runs.append(name)
        time.sleep(seconds)

    subjects: speed.Subjects = {"short": lambda: run("short", 0.002), "long": lambda: run("long", 0.03)}
    times = speed.take_turns(subjects, rounds=2, seconds=0.02)
    assert runs.count("long") == 3, "once to warm up, and once a round"
    assert runs.count("short") > 6
    assert [len(each) for each in times.values()] == [2, 2]
    assert 0.002 <= min(times["short"]) < 0.02, "the time of one run"


def test_batches_warm_up_with_the_batch_that_is_measured(monkeypatch: pytest.MonkeyPatch) -> None:
    batches: list[int] = []

    def create(_: str) -> IFDD:
        model = create_model("ifdd_mvit_xs", size=64, frames=8)
        model.register_forward_pre_hook(lambda _, given: batches.append(len(given[0])))
        return model

    monkeypatch.setattr(speed, "create_model", create)
    monkeypatch.setattr(speed, "TURN_SECONDS", 0.0)
    monkeypatch.setattr(speed, "has_bfloat16", lambda: False)
    found = speed.measure_inference(2, rounds=3)
    assert batches == [2] * 4, "one round to warm up"
    assert found["rounds"] == 3


def test_compiling_begins_with_an_empty_cache(monkeypatch: pytest.MonkeyPatch) -> None:
    for before in ("/earlier", None):
        if before is None:
            monkeypatch.delenv(speed.COMPILE_CACHE)
        else:
            monkeypatch.setenv(speed.COMPILE_CACHE, before)
        with speed.empty_compile_cache():
            folder = Path(os.environ[speed.COMPILE_CACHE])
            assert list(folder.iterdir()) == []
        assert os.environ.get(speed.COMPILE_CACHE) == before
        assert not folder.exists()


def test_the_profile_finds_the_work_of_a_layer() -> None:
    layer, given = torch.nn.Sequential(torch.nn.Linear(400, 400), torch.nn.GELU()), torch.rand(300, 400)
    with torch.inference_mode():
        found = profile_operations(lambda: layer(given), rounds=2)
    assert set(found) == {*GROUPS, OTHER}
    assert found["matrix products"] > 0
    assert found["GELU"] > 0
    assert found["fused attention"] == found["convolutions"] == 0
