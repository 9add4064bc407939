"""The hardest clips of a run as cards: what the model saw, what it said, and where it looked."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import NamedTuple

import torch

from ifdd.errors import InputError
from ifdd.explanation.explanation import explain
from ifdd.explanation.overlays import DYNAMIC_COLOUR, STATIC_COLOUR, heat_frames, strip
from ifdd.files import file_sha256
from ifdd.model import Checkpoint, find_checkpoint, load_checkpoint
from ifdd.pages import image_uri
from ifdd.records import Protocol
from ifdd.reporting.clips import Clips, Hard, Shown, hardest, read_clip
from ifdd.reporting.results import Run

COLOURS = (DYNAMIC_COLOUR, STATIC_COLOUR)
"""Colours of the heat maps of the emotion features and of the context."""


class CardPicture(NamedTuple):
    """A row of frames."""

    uri: str
    alt: str
    caption: str


class Card(NamedTuple):
    """One of the hardest clips."""

    clip_id: str
    words: str
    """What it is and what was predicted."""
    pictures: tuple[CardPicture, ...]
    notes: tuple[str, ...]
    """Why pictures are missing."""


@dataclass
class Gallery:
    """Chooses the hardest clips and draws them.

    Args:
        clips: reads the clips.
        count: number of clips of each run.
        heat_maps: whether to draw what the model looked at, if its checkpoint is still there.
        device: device of the model, see ``choose_device``.
    """

    clips: Clips
    count: int
    heat_maps: bool
    device: str
    _checkpoints: dict[str, Checkpoint | str] = field(default_factory=dict, init=False)

    def cards(self, run: Run) -> tuple[list[Card], str]:
        """Return the cards of a run, and why there are none or none with pictures; empty if all is well."""
        found = hardest(run, self.count)
        if not found:
            return (
                [],
                ""
                if not self.count or run.confusion is None
                else "Not known: there is no predictions.csv of the evaluation.",
            )
        reasons = {reason for hard in found if isinstance(reason := self.clips.of(hard.test.record.protocol), str)}
        note = f"No pictures: {'; '.join(sorted(reasons))}." if reasons else ""
        return [self._card(hard) for hard in found], note

    def _card(self, hard: Hard) -> Card:
        protocol = hard.test.record.protocol
        fold = "" if hard.test.fold is None else f" of fold {hard.test.fold}"
        words = (
            f"{hard.target}{fold}, to which the model gives {100 * hard.probability:.1f} %; "
            f"predicted is {hard.prediction} with {100 * hard.confidence:.1f} %"
        )
        if hard.target == hard.prediction:
            words = f"{hard.target}{fold}, recognised with only {100 * hard.probability:.1f} %"
        if isinstance(self.clips.of(protocol), str):
            return Card(hard.clip_id, words, (), ())
        sample = self.clips.sample(protocol, hard.clip_id)
        if isinstance(sample, str):
            return Card(hard.clip_id, words, (), (sample,))
        try:
            shown = read_clip(sample, protocol)
        except InputError as error:
            return Card(hard.clip_id, words, (), (f"No pictures: {error}",))
        alt = f"{len(shown.chosen)} frames of the clip {hard.clip_id}: {hard.target}"
        plain = CardPicture(image_uri(strip(shown.frames)), alt, "")
        if not self.heat_maps:
            return Card(hard.clip_id, words, (plain,), ())
        try:
            return Card(hard.clip_id, words, (plain, *self._heat_maps(hard, shown)), ())
        except InputError as error:
            return Card(hard.clip_id, words, (plain,), (f"No heat maps: {error}",))

    def _heat_maps(self, hard: Hard, shown: Shown) -> Iterator[CardPicture]:
        """Yield the heat maps of both groups for the prediction.

        Raises:
            InputError: the checkpoint is gone or has changed, or its output is not finite.
        """
        found = explain(self._checkpoint(hard.test.record.protocol), shown.clip.float() / 255, hard.prediction)
        for group, colour in zip(found.groups, COLOURS, strict=False):
            if group.heat is None:
                continue
            heated = heat_frames(shown.frames, group.heat[shown.chosen], colour)
            caption = f"{group.name}: what speaks for {hard.prediction}"
            yield CardPicture(image_uri(strip(heated)), f"Heat map over the same frames. {caption}", caption)

    def _checkpoint(self, protocol: Protocol) -> Checkpoint:
        """Return the tested checkpoint on the device, loaded once.

        Raises:
            InputError: it is gone, has changed, or cannot be read.
        """
        tested = protocol.checkpoint
        if tested.sha256 not in self._checkpoints:
            self._checkpoints[tested.sha256] = self._load(tested.path, tested.sha256)
        found = self._checkpoints[tested.sha256]
        if isinstance(found, str):
            raise InputError(found)
        return found

    def _load(self, path: str, sha256: str) -> Checkpoint | str:
        try:
            if file_sha256(find_checkpoint(path)) != sha256:
                return f"{path} is not the file that was tested"
            loaded = load_checkpoint(path)
        except (InputError, OSError) as error:
            return f"the checkpoint cannot be read ({error})"
        loaded.model.to(torch.device(self.device)).eval()
        return loaded
