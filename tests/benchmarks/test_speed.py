"""The baseline of the speed benchmark computes what the model computes, and its limit counts every product."""

import json
from pathlib import Path

import pytest
import torch

from benchmarks import speed
from benchmarks.operations import GROUPS, OTHER, profile_operations
from benchmarks.plain import PlainIFDD
from benchmarks.products import Product, gigaflop, only_products, products_of
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


def test_the_profile_finds_the_work_of_a_layer() -> None:
    layer, given = torch.nn.Sequential(torch.nn.Linear(400, 400), torch.nn.GELU()), torch.rand(300, 400)
    with torch.inference_mode():
        found = profile_operations(lambda: layer(given), rounds=2)
    assert set(found) == {*GROUPS, OTHER}
    assert found["matrix products"] > 0
    assert found["GELU"] > 0
    assert found["fused attention"] == found["convolutions"] == 0
