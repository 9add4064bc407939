"""Clips that cannot be read during a training: reported once, counted, and at most one in a hundred."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from lightning.pytorch import Callback, LightningModule, Trainer

from ifdd.console import error_console
from ifdd.data.manifest import Sample
from ifdd.errors import InputError
from ifdd.training.engine.state import RESUME

MOST_PERCENT = 1
"""Share of the clips of a subset that may be unreadable, in percent."""

NAMED = 20
"""Clips that the error names; training.json has all of them."""


class UnreadableClips:
    """The unreadable clips of a run, by subset.

    Args:
        samples: subset -> its clips, for training and for selecting the epoch.
    """

    def __init__(self, samples: Mapping[str, Sequence[Sample]]) -> None:
        self.samples = samples
        self.changed: Callable[[], None] = lambda: None
        """Called after each new clip, before the error if there are too many."""
        self.reasons: dict[str, dict[str, str]] = {subset: {} for subset in samples}
        """Subset -> id of a clip -> why it cannot be read."""

    def report(self, subset: str, index: int, reason: str) -> None:
        """Report a clip, unless it is known.

        Raises:
            InputError: there are too many.
        """
        samples = self.samples[subset]
        clip = samples[index if index < len(samples) else 0].clip_id  # beyond: it only fills up the last batches
        if clip in self.reasons[subset]:
            return
        self.reasons[subset][clip] = reason
        consequence = "another clip of its class takes its place" if subset == "train" else "it does not count"
        error_console.print(
            f"{'training' if subset == 'train' else subset} clip {clip} cannot be read: {consequence} ({reason})",
            highlight=False,
            markup=False,
            soft_wrap=True,
        )
        self.changed()
        self._check(subset)

    def share(self) -> None:
        """Tell every process what all of them found.

        Raises:
            InputError: there are too many.
        """
        if not (torch.distributed.is_available() and torch.distributed.is_initialized()):
            return
        found: list[Any] = [None] * torch.distributed.get_world_size()
        torch.distributed.all_gather_object(found, self.reasons)
        for subset in self.reasons:
            together: dict[str, str] = {}
            for of_process in found:
                together |= of_process[subset]
            self.reasons[subset] = dict(sorted(together.items()))
        self.changed()
        for subset in self.reasons:
            self._check(subset)

    def restore(self, reasons: Mapping[str, Mapping[str, str]]) -> None:
        """Take over what a resumed training has reported already."""
        for subset, of_subset in reasons.items():
            self.reasons[subset] |= of_subset
        self.changed()

    @property
    def plain(self) -> dict[str, str]:
        """Id -> reason of all clips."""
        return {clip: reason for of_subset in self.reasons.values() for clip, reason in of_subset.items()}

    def _check(self, subset: str) -> None:
        clips, found = len(self.samples[subset]), self.reasons[subset]
        if len(found) * 100 <= clips * MOST_PERCENT:
            return
        listed = "; ".join(f"{clip} ({reason})" for clip, reason in list(found.items())[:NAMED])
        more = f"; and {len(found) - NAMED} more, listed in training.json" if len(found) > NAMED else ""
        raise InputError(
            f"{len(found)} of {clips} {'training' if subset == 'train' else subset} clips cannot be read, more than "
            f"{MOST_PERCENT} %: {listed}{more}; repair them and {RESUME}, or remove them from the manifest and "
            "start again"
        )


class KeepUnreadable(Callback):
    """Exchange the unreadable clips among the processes after each epoch, and keep them in the state."""

    def __init__(self, clips: UnreadableClips) -> None:
        self.clips = clips

    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Exchange them.

        Raises:
            InputError: there are too many.
        """
        self.clips.share()

    def state_dict(self) -> dict[str, Any]:
        """Return the clips that are known."""
        return {"reasons": self.clips.reasons}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Restore them."""
        self.clips.restore(state_dict["reasons"])
