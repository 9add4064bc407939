"""Compare an exported model with PyTorch on clips of faces."""

from collections.abc import Sequence
from typing import NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor

from ifdd.data.manifest import Manifest, Sample
from ifdd.errors import InputError
from ifdd.evaluation.protocol import describe_dataset
from ifdd.evaluation.sampling import dataset_for, training_sampling
from ifdd.model import IFDD, Engine, EngineOutput, IFDDConfig, Model
from ifdd.records import ParityRecord
from ifdd.synth import PRESETS, SynthConfig, render_clip

TOLERANCE = 1e-3
"""Largest absolute difference of an output that is accepted."""

CLIPS = 8
"""Number of clips that are compared."""

BATCHES = (1, 3, 4)
"""Sizes of the batches; their sum is ``CLIPS``."""


class ComparedClips(NamedTuple):
    """Clips to compare on."""

    clips: Float[Tensor, "clips 3 frames size size"]
    """RGB in [0, 1]."""
    dataset: str | None
    """Hash of their dataset; None if they are drawn."""


def drawn_clips(config: IFDDConfig, count: int = CLIPS) -> ComparedClips:
    """Draw clips of faces with the built-in benchmark.

    Args:
        config: gives frames and size.
        count: number of clips.
    """
    preset = PRESETS["wild"]
    drawn = SynthConfig(preset.behaviour, preset.scene, size=config.size, frames=config.frames)
    clips = [torch.from_numpy(render_clip(drawn, seed=0, index=index).frames) for index in range(count)]
    return ComparedClips(torch.stack(clips).permute(0, 4, 1, 2, 3).float() / 255, None)


def manifest_clips(manifest: Manifest, model: Model, count: int = CLIPS) -> ComparedClips:
    """Read clips that are spread evenly over a manifest, their frames sampled as in training.

    Args:
        manifest: the table of clips.
        model: gives frames, size and sampling.
        count: number of clips; fewer if the manifest has fewer.

    Raises:
        InputError: the manifest is empty, or a clip cannot be read.
    """
    samples = spread(manifest.select(), count)
    labels = sorted({sample.label for sample in samples})
    dataset = dataset_for(model, samples, training_sampling(model.record), classes=labels)
    clips = torch.stack([dataset[index][0] for index in range(len(dataset))])
    return ComparedClips(clips.float() / 255, describe_dataset(manifest).hash)


def spread(samples: Sequence[Sample], count: int) -> list[Sample]:
    """Return at most ``count`` samples, evenly spaced in their order."""
    kept = min(count, len(samples))
    return [samples[place * len(samples) // kept] for place in range(kept)]


@torch.inference_mode()
def compare(reference: IFDD, exported: Engine, compared: ComparedClips) -> ParityRecord:
    """Return the largest difference of an exported model's outputs from the model's, over batches of several sizes.

    Args:
        reference: the model as it was trained, not its form for inference, which is exported.
        exported: the exported model.
        compared: the clips.
    """
    differences = []
    sizes = [*BATCHES, *[BATCHES[-1]] * len(compared.clips)]
    rest = compared.clips
    while len(rest):
        batch, rest = rest[: sizes[0]], rest[sizes[0] :]
        sizes = sizes[1:]
        output = reference(batch)
        expected = EngineOutput(output.logits, output.emotion, output.action_unit_logits)
        pairs = zip(expected, exported(batch), strict=True)
        differences += [_difference(one, other) for one, other in pairs if one is not None]
    return ParityRecord(clips=len(compared.clips), dataset=compared.dataset, largest_difference=max(differences))


def check_parity(found: ParityRecord, form: str) -> None:
    """Check that a difference is small enough.

    Raises:
        InputError: it is not.
    """
    if not found.largest_difference <= TOLERANCE:  # this form refuses NaN
        raise InputError(
            f"the {form} model differs from PyTorch by up to {found.largest_difference:.2g} on {found.clips} clips, "
            f"more than {TOLERANCE:g}, and is not written; try another format, or other versions of its packages"
        )


def _difference(one: Tensor, other: Tensor | None) -> float:
    if other is None or one.shape != other.shape:
        return float("inf")
    return float((one - other).abs().nan_to_num(torch.inf, torch.inf).max())
