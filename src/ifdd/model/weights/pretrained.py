"""Weights of VideoMAE and MAE-DFER for the transformer backbones, by name or from a file.

Written from facts about names and shapes. A file may come from the public code of either (pre-training or fine-tuning),
from transformers' VideoMAE, or be an image model of timm's names, such as S2D's.
"""

import logging
import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import NamedTuple

import torch
from torch import Tensor, nn

from ifdd.errors import InputError
from ifdd.files import expand, file_sha256
from ifdd.model.backbones.lgi_former import LGIFormer
from ifdd.model.backbones.vit import TUBELET, VideoViT
from ifdd.model.weights.foreign import NAMES_LISTED, read_weights
from ifdd.model.weights.kinetics import load_kinetics
from ifdd.model.weights.pickles import keys_of
from ifdd.model.weights.state_dicts import load_strictly, prefixes_of, state_dicts_in
from ifdd.names import listed
from ifdd.remote.hub import HubAddress, fetch_from_hub

logger = logging.getLogger(__name__)


class Published(NamedTuple):
    """Weights that have a name."""

    backbone: str
    """The backbone that they fit."""
    page: str
    """Where a person finds them."""
    licence: str
    """Their entry in ``ifdd.records.licences.LICENCES``."""
    address: HubAddress | None = None
    """Their file on the hub; None if they are elsewhere."""
    sha256: str | None = None
    """SHA-256 of the .safetensors file; None if unknown: then names, shapes and the revision tell what it is."""


TRANSFORMERS = ("vit_b", "vit_tiny", "lgi_former", "lgi_former_tiny")
"""Backbones whose initial weights are read here."""

HUGGING_FACE = "https://huggingface.co/MCG-NJU"
PUBLISHED = {
    "videomae_kinetics": Published(
        "vit_b",
        f"{HUGGING_FACE}/videomae-base",
        "videomae",
        HubAddress("MCG-NJU/videomae-base", "dc740ceda42fce44faed2ea03c6d447db72f6af9"),
        "bc053ca2840a038b1068269a4eec06ca569689e9a1ed9376a5b2b8a111be5290",
    ),
    "videomae_kinetics_finetuned": Published(
        "vit_b",
        f"{HUGGING_FACE}/videomae-base-finetuned-kinetics",
        "videomae",
        HubAddress("MCG-NJU/videomae-base-finetuned-kinetics", "488eb9a0565f257b32866000305c8178965eb9f6"),
    ),
    "mae_dfer": Published("lgi_former", "https://github.com/sunlicai/MAE-DFER (Pre-trained Model)", "mae_dfer"),
}
"""Name -> weights. ``videomae_kinetics`` is pre-trained on Kinetics-400 without labels (1600 epochs), ``..._finetuned``
then with them; ``mae_dfer`` is pre-trained on VoxCeleb2. Its authors publish it on Google Drive, which serves no
programs. Revisions and hash are those that several projects record for these files; they could not be downloaded when
this was written."""

OTHER_FILES = ("pytorch_model.bin",)
"""Files to look for on the hub if a model has no .safetensors file."""

STEMS = ("patch_embed.proj.weight", "embeddings.patch_embeddings.projection.weight")
"""A name in every file, as the authors and as transformers write it; what precedes it is the file's prefix."""

TRANSFORMERS_NAMES = (
    ("embeddings.patch_embeddings.projection.", "patch_embed.proj."),
    ("encoder.layer.", "blocks."),
    (".attention.attention.query.bias", ".attn.q_bias"),
    (".attention.attention.value.bias", ".attn.v_bias"),
    (".attention.attention.", ".attn."),
    (".attention.output.dense.", ".attn.proj."),
    (".intermediate.dense.", ".mlp.fc1."),
    (".output.dense.", ".mlp.fc2."),
    (".layernorm_before.", ".norm1."),
    (".layernorm_after.", ".norm2."),
)
"""Part of a name in transformers -> in the authors' code, in the order of the replacements."""

OUR_NAMES = ((".mlp.fc1.", ".mlp.0."), (".mlp.fc2.", ".mlp.3."), ("lg_region_tokens", "region_tokens.tokens"))
"""Part of a name in the authors' code -> in ifdd."""

FINAL_NORMS = ("norm.", "layernorm.", "fc_norm.", "ln_post.")
"""Prefixes that the norm behind the blocks has in different files; the first found is taken."""

DECODER = "the decoder of pre-training"
CLASSIFIER = "the classifier of its training"
POSITIONS = "position table or class token; the backbone computes its positions and has no class token"
OTHER = "not a part of the backbone"
REASONS = {
    **dict.fromkeys(("decoder.", "encoder_to_decoder.", "mask_token"), DECODER),
    **dict.fromkeys(("head.", "classifier."), CLASSIFIER),
    **dict.fromkeys(("pos_embed", "position_embeddings", "temporal_embedding", "cls_token"), POSITIONS),
}
"""Prefix of a name that the backbone lacks -> reason."""


class Transfer(NamedTuple):
    """What became of the entries of a file."""

    used: tuple[str, ...]
    """Names in the file."""
    unused: dict[str, str]
    """Name in the file -> why it is not used."""
    missing: tuple[str, ...]
    """Parameters of the backbone that the file lacks, which keep their initial values: at most the final norm."""


def load_backbone(backbone: nn.Module, name: str, source: str | Path) -> None:
    """Load initial weights into a backbone: those of Kinetics-400, or of a self-supervised transformer.

    Args:
        backbone: built by ``BACKBONES[name]``; changed in place.
        name: its name.
        source: a name in ``PUBLISHED``, "kinetics400", or the path of a file.

    Raises:
        InputError: the weights cannot be had or read, or belong to another backbone.
    """
    published = PUBLISHED.get(str(source))
    if published is not None and published.backbone != name:
        raise InputError(
            f"{source} holds weights of the backbone {published.backbone}, not of {name}; see docs/model.md"
        )
    if isinstance(backbone, (VideoViT, LGIFormer)):
        transfer = load_transformer(backbone, find_weights(source, name), str(source))
        logger.warning("%s", transfer_lines(transfer, str(source)))
    else:
        load_kinetics(backbone, name, source)


def takes_weights(backbone: str) -> bool:
    """Return whether a backbone's initial weights are read here; they may then be a foreign .safetensors file."""
    return backbone in TRANSFORMERS


def find_weights(source: str | Path, backbone: str) -> Path:
    """Return the file of published weights, downloaded once, or the given path.

    Raises:
        InputError: there is no such file, it cannot be downloaded, or it is damaged.
    """
    published = PUBLISHED.get(str(source))
    if published is None:
        path = expand(source)
        if not path.is_file():
            names = [name for name, each in PUBLISHED.items() if each.backbone == backbone]
            raise InputError(f"no weights at {path}; give {' or '.join([*names, 'the path of a file'])}")
        return path
    if published.address is None:
        raise InputError(
            f"the weights {source!r} cannot be downloaded by a program: get the file from {published.page} and give "
            "its path instead of the name"
        )
    remedy = f"or fetch the file from {published.page} and give its path"
    path = fetch_from_hub(published.address, OTHER_FILES, remedy)
    if published.sha256 and path.suffix == ".safetensors" and file_sha256(path) != published.sha256:
        raise InputError(f"{path} is damaged: its SHA-256 is not {published.sha256[:12]}...; delete it and try again")
    return path


def load_transformer(backbone: VideoViT | LGIFormer, path: Path, origin: str) -> Transfer:
    """Load a file of weights into a transformer backbone.

    Every parameter of the backbone must be in the file, apart from the final norm. A 2-D patch embedding is spread
    over the frames of a tubelet; a bias of keys is left out, which changes nothing (it cancels in the softmax).

    Args:
        backbone: changed in place.
        path: .safetensors file, or PyTorch's pickle, read without running any code in it.
        origin: what messages call the file.

    Raises:
        InputError: the file cannot be read, holds no such transformer or one of another width or depth.
    """
    values = _read(path)
    found, unused = _authors_names(values, origin)
    _check_kind(backbone, found, origin)
    _join_queries_keys_values(found)
    _choose_final_norm(found, unused)
    own = backbone.state_dict()
    taken: dict[str, Tensor] = {}
    used: list[str] = []
    for name, entry in found.items():
        our_name = _replaced(name, OUR_NAMES)
        if our_name in own:
            taken[our_name] = _inflated(entry.value, own[our_name])
            used += entry.names
        else:
            unused |= dict.fromkeys(entry.names, _reason(name))
    missing = tuple(name for name in own if name.startswith("norm.") and name not in taken)
    load_strictly(backbone, taken | {name: own[name] for name in missing}, origin)
    return Transfer(tuple(used), unused, missing)


def transfer_lines(transfer: Transfer, origin: str) -> str:
    """Return what became of the entries, for a person: one line for each reason, block numbers as ``*``."""
    lines = [f"{origin}: {len(transfer.used)} entries loaded into the backbone"]
    for reason in dict.fromkeys(transfer.unused.values()):
        names = [name for name, given in transfer.unused.items() if given == reason]
        lines.append(f"  not used, {reason} ({len(names)}): {', '.join(_patterns(names))}")
    if transfer.missing:
        lines.append(f"  missing, so at its initial value: {', '.join(transfer.missing)}")
    return "\n".join(lines)


def _patterns(names: Iterable[str]) -> list[str]:
    return list(dict.fromkeys(re.sub(r"(?<=\.)\d+(?=\.)", "*", name) for name in names))


def _read(path: Path) -> Mapping[str, Tensor]:
    content = read_weights(path)
    values = next(iter(state_dicts_in(content).values()), None)
    if values is None:
        raise InputError(f"{path} holds no state dict, but {keys_of(content)}; give a file of VideoMAE or MAE-DFER")
    return values


class _Entry(NamedTuple):
    names: tuple[str, ...]
    """Names in the file."""
    value: Tensor


def _authors_names(values: Mapping[str, Tensor], origin: str) -> tuple[dict[str, _Entry], dict[str, str]]:
    """Return the entries by the names of the authors' code, and the unused ones with the reason."""
    stem, prefix = next(((stem, prefix) for stem in STEMS for prefix in prefixes_of(values, stem)), (None, ""))
    if stem is None:
        shown = listed(sorted(values), NAMES_LISTED)
        raise InputError(f"{origin} holds no video transformer: it has no {STEMS[0]}, but {shown}")
    replacements = TRANSFORMERS_NAMES if stem == STEMS[1] else ()
    found: dict[str, _Entry] = {}
    unused: dict[str, str] = {}
    for name, value in values.items():
        if name.startswith(prefix):
            found[_replaced(name.removeprefix(prefix), replacements)] = _Entry((name,), value)
        elif name.startswith(FINAL_NORMS):  # transformers has it beside the encoder
            found.setdefault(name, _Entry((name,), value))
        else:
            unused[name] = _reason(name)
    return found, unused


def _replaced(name: str, replacements: Iterable[tuple[str, str]]) -> str:
    for before, after in replacements:
        name = name.replace(before, after)
    return name


def _reason(name: str) -> str:
    return next((reason for start, reason in REASONS.items() if name.startswith(start)), OTHER)


def _join_queries_keys_values(found: dict[str, _Entry]) -> None:
    """Join separate matrices to ``qkv.weight``, and split a common bias."""
    for name in [each for each in found if each.endswith(".attn.query.weight")]:
        stem = name.removesuffix("query.weight")
        parts = [found.pop(f"{stem}{part}.weight", None) for part in ("query", "key", "value")]
        present = [part for part in parts if part is not None]
        joined = torch.cat([part.value for part in present])
        found[f"{stem}qkv.weight"] = _Entry(tuple(each for part in present for each in part.names), joined)
    for name in [each for each in found if each.endswith(".attn.qkv.bias")]:
        entry, stem = found.pop(name), name.removesuffix("qkv.bias")
        query, _, value = entry.value.chunk(3)
        found[f"{stem}q_bias"] = _Entry(entry.names, query)
        found[f"{stem}v_bias"] = _Entry((), value)


def _choose_final_norm(found: dict[str, _Entry], unused: dict[str, str]) -> None:
    """Keep one of the norms behind the blocks, as ``norm``."""
    norms = [prefix for prefix in FINAL_NORMS if f"{prefix}weight" in found]
    for prefix in norms:
        for part in ("weight", "bias"):
            entry = found.pop(f"{prefix}{part}", None)
            if entry is None:
                continue
            if prefix == norms[0]:
                found[f"norm.{part}"] = entry
            else:
                unused |= dict.fromkeys(entry.names, OTHER)


def _inflated(value: Tensor, own: Tensor) -> Tensor:
    """Return a patch embedding of images for tubelets: on a still, it gives the same tokens."""
    if (value.ndim, own.ndim) != (4, 5):
        return value
    return value[:, :, None].expand(-1, -1, TUBELET, -1, -1) / TUBELET


def _check_kind(backbone: VideoViT | LGIFormer, found: Mapping[str, _Entry], origin: str) -> None:
    """Check the kind of blocks, their number and their width, before single entries are compared.

    Raises:
        InputError: one of them differs.
    """
    by_regions = any(".first_attn." in name for name in found)
    if by_regions != isinstance(backbone, LGIFormer):
        kind, preset = ("LGI-Former", "ifdd_mae_dfer") if by_regions else ("plain ViT", "ifdd_vit_b")
        raise InputError(f"{origin} holds the weights of another architecture ({kind}); take the preset {preset}")
    own = backbone.stages[-1].channels, len(backbone.blocks)
    blocks = {name.split(".")[1] for name in found if name.startswith("blocks.")}
    given = len(found[STEMS[0]].value), len(blocks)
    if given != own:
        raise InputError(
            f"{origin} holds a transformer of width {given[0]} with {given[1]} blocks, but the model's has width "
            f"{own[0]} and {own[1]} blocks; choose weights of the model's size"
        )
