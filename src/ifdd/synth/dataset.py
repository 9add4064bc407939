"""SynthDFER in memory: clips rendered on demand."""

import torch
from jaxtyping import UInt8
from torch import Tensor
from torch.utils.data import Dataset

from ifdd.errors import InputError, check_range
from ifdd.synth.config import SynthConfig
from ifdd.synth.plan import ClipPlan, plan_clip
from ifdd.synth.render import Clip, render_clip
from ifdd.synth.rigs import RigMaker, make_rig_maker


class SynthDataset(Dataset[tuple[UInt8[Tensor, "3 frames height width"], int]]):
    """The clips of a SynthDFER set, rendered on demand: the same clips that ``ifdd synth`` writes.

    Args:
        config: the set.
        count: number of clips in all subsets together.
        seed: random seed of the set.
        subset: train, validation or test; None for all clips.
        make_rig: builds what draws the people, from an identity and the scale in pixels per head unit; None for the rig
            of ``config``.

    Raises:
        InputError: ``count`` is negative, the set has no such subset, or its rig is not installed.

    Example:
        >>> from ifdd.synth import SynthConfig, SynthDataset
        >>> dataset = SynthDataset(SynthConfig(size=48, frames=4), count=20, seed=1, subset="train")
        >>> clip, target = dataset[0]
        >>> clip.shape, dataset.classes[target]
        (torch.Size([3, 4, 48, 48]), 'fear')
    """

    def __init__(
        self,
        config: SynthConfig,
        count: int,
        seed: int,
        subset: str | None = None,
        make_rig: RigMaker | None = None,
    ) -> None:
        check_range("count", count, at_least=0)
        if subset is not None and subset not in config.subset_people():
            raise InputError(f"the set has no subset {subset!r}; choose one of {', '.join(config.subset_people())}")
        self.config, self.seed = config, seed
        self.make_rig = make_rig_maker(config.rig, None) if make_rig is None else make_rig
        plans = [plan_clip(config, seed, index) for index in range(count)]
        self.plans: list[ClipPlan] = [plan for plan in plans if subset is None or plan.subset == subset]
        self.classes = config.classes

    def __len__(self) -> int:
        return len(self.plans)

    def __getitem__(self, index: int) -> tuple[UInt8[Tensor, "3 frames height width"], int]:
        """Return the clip (RGB) and its class index."""
        clip = self.render(index)
        return torch.from_numpy(clip.frames).permute(3, 0, 1, 2).contiguous(), self.classes.index(clip.plan.label)

    def render(self, index: int) -> Clip:
        """Return a clip with its truth."""
        return render_clip(self.config, self.seed, self.plans[index].number, self.make_rig)
