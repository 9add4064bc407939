"""Weights of VideoMAE and MAE-DFER: every kind of file, what is used and what is not, names and the hub."""

import hashlib
import logging
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save, save_file
from torch import Tensor, nn

from ifdd.errors import InputError
from ifdd.model import BACKBONES, PUBLISHED, create_model, save_checkpoint
from ifdd.model.backbones.lgi_former import lgi_former_tiny
from ifdd.model.backbones.vit import TransformerSpec, VideoViT, vit_tiny
from ifdd.model.weights import pretrained
from ifdd.model.weights.pretrained import CLASSIFIER, DECODER, OTHER, POSITIONS, load_transformer, transfer_lines
from ifdd.records import CheckpointRecord
from ifdd.records.licences import LICENCES
from ifdd.remote.hub import HubAddress
from ifdd.training.config import ModelConfig
from ifdd.training.start import build_network
from tests.helpers.hub import local_hub

CLASSES = ("happy", "sad", "neutral")


def trained(network: nn.Module) -> nn.Module:
    torch.manual_seed(1)
    for value in network.parameters():
        nn.init.normal_(value)
    return network


def authors(network: nn.Module, prefix: str = "") -> dict[str, Tensor]:
    """The weights under the names of the public code."""
    names = ((".mlp.0.", ".mlp.fc1."), (".mlp.3.", ".mlp.fc2."), ("region_tokens.tokens", "lg_region_tokens"))
    values = {}
    for name, value in network.state_dict().items():
        for ours, theirs in names:
            name = name.replace(ours, theirs)
        values[prefix + name] = value.clone()
    return values


def same(first: nn.Module, second: nn.Module) -> bool:
    return all(torch.equal(value, second.state_dict()[name]) for name, value in first.state_dict().items())


@pytest.mark.parametrize("build", [vit_tiny, lgi_former_tiny])
def test_a_file_of_pre_training_is_loaded_without_its_decoder(build: Any, tmp_path: Path) -> None:
    source, target = trained(build(16, 32, 0.0)), build(16, 32, 0.0)
    decoder = {f"decoder.blocks.{index}.attn.q_bias": torch.zeros(3) for index in (0, 1)}
    content = (
        authors(source, "encoder.")
        | decoder
        | {"mask_token": torch.zeros(1), "encoder_to_decoder.weight": torch.zeros(1)}
    )
    torch.save({"model": content, "epoch": 49}, tmp_path / "checkpoint-49.pth")
    transfer = load_transformer(target, tmp_path / "checkpoint-49.pth", "checkpoint-49.pth")
    assert same(source, target)
    assert len(transfer.used) == len(source.state_dict())
    assert set(transfer.unused.values()) == {DECODER}
    assert transfer_lines(transfer, "x").splitlines()[1] == (
        "  not used, the decoder of pre-training (4): "
        "decoder.blocks.*.attn.q_bias, mask_token, encoder_to_decoder.weight"
    )


def test_a_file_of_fine_tuning_is_loaded_without_its_classifier(tmp_path: Path) -> None:
    source, target = trained(lgi_former_tiny(16, 32, 0.0)), lgi_former_tiny(16, 32, 0.0)
    values = authors(source)
    values["fc_norm.weight"], values["fc_norm.bias"] = values.pop("norm.weight"), values.pop("norm.bias")
    torch.save({"module": values | {"head.weight": torch.zeros(7, 64)}}, tmp_path / "best.pth")
    transfer = load_transformer(target, tmp_path / "best.pth", "best.pth")
    assert same(source, target)
    assert transfer.unused == {"head.weight": CLASSIFIER}


def test_without_a_final_norm_it_keeps_its_first_values_and_is_listed_as_missing(tmp_path: Path) -> None:
    values = authors(trained(vit_tiny(16, 32, 0.0)))
    del values["norm.weight"], values["norm.bias"]
    save_file(values, tmp_path / "x.safetensors")
    target = vit_tiny(16, 32, 0.0)
    transfer = load_transformer(target, tmp_path / "x.safetensors", "x")
    assert transfer.missing == ("norm.weight", "norm.bias")
    assert target.norm.weight.eq(1).all()
    assert transfer_lines(transfer, "x").endswith("missing, so at its initial value: norm.weight, norm.bias")


def test_an_image_model_gives_a_still_the_same_tokens_for_every_frame(tmp_path: Path) -> None:
    """timm's names, as in S2D: a bias of queries, keys and values in one, a class token, adapters beside the blocks."""
    source = trained(vit_tiny(16, 32, 0.0))
    values = authors(source)
    image = torch.randn(64, 3, 16, 16)
    values["patch_embed.proj.weight"] = image
    for index in range(4):
        query, value = (values.pop(f"blocks.{index}.attn.{part}_bias") for part in "qv")
        values[f"blocks.{index}.attn.qkv.bias"] = torch.cat([query, torch.randn(64), value])
    values["ln_post.weight"], values["ln_post.bias"] = values.pop("norm.weight"), values.pop("norm.bias")
    others = {"cls_token": POSITIONS, "pos_embed": POSITIONS, "prompt_blocks.0.TMA.norm.weight": OTHER}
    torch.save(values | dict.fromkeys(others, torch.zeros(1)), tmp_path / "s2d.pth")
    target = vit_tiny(16, 32, 0.0)
    transfer = load_transformer(target, tmp_path / "s2d.pth", "s2d.pth")
    assert transfer.unused == others
    still = torch.randn(1, 3, 1, 32, 32)
    expected = nn.functional.conv2d(still[:, :, 0], image, stride=16).flatten(2)
    bias = target.patch_embed.proj.bias
    assert bias is not None
    tokens = target.patch_embed.proj(still.expand(-1, -1, 16, -1, -1)) - bias.view(-1, 1, 1, 1)
    for frame in tokens.unbind(2):
        torch.testing.assert_close(frame.flatten(2), expected, rtol=1e-4, atol=1e-4)
    for name, value in source.state_dict().items():
        if name != "patch_embed.proj.weight":
            assert torch.equal(target.state_dict()[name], value), name


def test_a_bias_of_keys_changes_nothing() -> None:
    torch.manual_seed(0)
    query, key, value = torch.randn(3, 1, 2, 5, 4).unbind(0)
    attend = nn.functional.scaled_dot_product_attention
    torch.testing.assert_close(attend(query, key + torch.randn(4), value), attend(query, key, value))


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        (
            TransformerSpec(4, 32, 4),
            "a transformer of width 32 with 4 blocks, but the model's has width 64 and 4 blocks",
        ),
        (
            TransformerSpec(8, 64, 4),
            "a transformer of width 64 with 8 blocks, but the model's has width 64 and 4 blocks",
        ),
    ],
)
def test_weights_of_another_size_are_one_line(spec: TransformerSpec, message: str, tmp_path: Path) -> None:
    save_file(authors(VideoViT(spec, 16, 32, 0.0), "encoder."), tmp_path / "x.safetensors")
    with pytest.raises(InputError, match=message) as caught:
        create_model("ifdd_vit_b", backbone="vit_tiny", size=32, weights=tmp_path / "x.safetensors")
    assert "\n" not in str(caught.value)


def test_another_number_of_regions_is_refused(tmp_path: Path) -> None:
    save_file(authors(lgi_former_tiny(16, 32, 0.0)), tmp_path / "x.safetensors")
    with pytest.raises(InputError, match=r"region_tokens.tokens has shape \(8, 64\), expected \(16, 64\)"):
        load_transformer(lgi_former_tiny(32, 32, 0.0), tmp_path / "x.safetensors", "x")


def test_another_architecture_is_named(tmp_path: Path) -> None:
    save_file(authors(lgi_former_tiny(16, 32, 0.0)), tmp_path / "lgi.safetensors")
    save_file(authors(vit_tiny(16, 32, 0.0)), tmp_path / "vit.safetensors")
    with pytest.raises(InputError, match=r"another architecture \(LGI-Former\); take the preset ifdd_mae_dfer"):
        load_transformer(vit_tiny(16, 32, 0.0), tmp_path / "lgi.safetensors", "lgi")
    with pytest.raises(InputError, match=r"another architecture \(plain ViT\); take the preset ifdd_vit_b"):
        load_transformer(lgi_former_tiny(16, 32, 0.0), tmp_path / "vit.safetensors", "vit")


def test_files_of_other_kinds_are_refused(tmp_path: Path) -> None:
    save_file({"layer.weight": torch.zeros(1)}, tmp_path / "x.safetensors")
    torch.save({"epoch": 3}, tmp_path / "x.pth")
    with pytest.raises(InputError, match=r"no video transformer: it has no patch_embed.proj.weight, but layer.weight"):
        load_transformer(vit_tiny(16, 32, 0.0), tmp_path / "x.safetensors", "x")
    with pytest.raises(InputError, match=r"x.pth holds no state dict, but epoch"):
        load_transformer(vit_tiny(16, 32, 0.0), tmp_path / "x.pth", "x")
    with pytest.raises(InputError, match=r"no weights at .*none.pth; give mae_dfer or the path of a file"):
        pretrained.find_weights(tmp_path / "none.pth", "lgi_former")


def test_a_name_that_cannot_be_downloaded_says_where_to_get_the_file() -> None:
    with pytest.raises(InputError, match=r"get the file from https://github.com/sunlicai/MAE-DFER .* give its path"):
        pretrained.find_weights("mae_dfer", "lgi_former")


def test_weights_of_another_backbone_are_named() -> None:
    with pytest.raises(InputError, match="videomae_kinetics holds weights of the backbone vit_b, not of s3d_tiny"):
        create_model("ifdd_tiny", weights="videomae_kinetics")


def test_every_name_has_a_backbone_a_licence_and_a_fixed_revision() -> None:
    for published in PUBLISHED.values():
        assert published.backbone in BACKBONES
        assert published.licence in LICENCES
        assert published.address is None or len(published.address.revision or "") == 40


def test_weights_by_name_come_from_the_hub_and_are_recorded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    pytest.importorskip("huggingface_hub")
    source = trained(vit_tiny(16, 32, 0.1))
    content = save(authors(source, "encoder."))
    revision = "0123456789abcdef0123456789abcdef01234567"
    tiny = pretrained.Published(
        "vit_tiny", "https://x", "videomae", HubAddress("m/tiny", revision), hashlib.sha256(content).hexdigest()
    )
    monkeypatch.setitem(PUBLISHED, "videomae_kinetics", tiny)
    model = ModelConfig("ifdd_vit_b", weights="videomae_kinetics", overrides={"backbone": "vit_tiny", "size": 32})
    with local_hub(tmp_path / "cache", monkeypatch) as hub, caplog.at_level(logging.WARNING):
        hub.models["m/tiny"] = {"model.safetensors": content}
        start = build_network(model, CLASSES)
        assert same(source, start.network.get_submodule("backbone"))
        assert start.licences == (LICENCES["videomae"],)
        assert "videomae_kinetics: 56 entries loaded" in caplog.text
        monkeypatch.setitem(PUBLISHED, "videomae_kinetics", tiny._replace(sha256="0" * 64))
        with pytest.raises(InputError, match=r"is damaged: its SHA-256 is not 000000000000\.\.\.; delete it"):
            build_network(model, CLASSES)
        monkeypatch.setitem(PUBLISHED, "videomae_kinetics", tiny._replace(address=HubAddress("m/tiny", "f" * 40)))
        with pytest.raises(InputError, match=r"no revision 'f{40}'"):
            build_network(model, CLASSES)


def test_a_training_starts_from_a_foreign_safetensors_file(tmp_path: Path) -> None:
    source = trained(vit_tiny(16, 32, 0.1))
    save_file(authors(source), tmp_path / "mine.safetensors")
    monkey = ModelConfig(
        "ifdd_vit_b", weights=str(tmp_path / "mine.safetensors"), overrides={"backbone": "vit_tiny", "size": 32}
    )
    assert pretrained.takes_weights("vit_b")
    start = build_network(monkey, CLASSES)
    assert same(source, start.network.get_submodule("backbone"))
    assert start.licences[0].id == ""


def test_with_weights_the_clip_is_normalised_as_they_expect(tmp_path: Path) -> None:
    save_file(authors(vit_tiny(16, 64, 0.1)), tmp_path / "x.safetensors")
    model = create_model("ifdd_tiny", backbone="vit_tiny", weights=tmp_path / "x.safetensors")
    assert model.config.mean == (0.485, 0.456, 0.406)
    assert create_model("ifdd_tiny", backbone="vit_tiny").config.mean == (0.45,) * 3


def test_a_checkpoint_of_ifdd_still_starts_a_training(tmp_path: Path) -> None:
    model = create_model("ifdd_vit_b", 3, backbone="vit_tiny", size=32)
    save_checkpoint(tmp_path / "ours.safetensors", model, CLASSES, 1.0, CheckpointRecord())
    start = build_network(
        ModelConfig("ifdd_vit_b", weights=str(tmp_path / "ours.safetensors"), overrides={"backbone": "vit_tiny"}),
        CLASSES,
    )
    assert start.left_out == ()
