"""Licences of training data: what a dataset, a checkpoint and their results may be used for."""

from collections.abc import Iterable
from dataclasses import dataclass

from ifdd.records.record import Record


@dataclass(frozen=True)
class LicenceRecord(Record):
    """The licence of one dataset."""

    data: str
    """Name of the dataset."""
    id: str
    """SPDX identifier or expression, or "research only"; empty if unknown."""
    terms: str
    """The terms that matter most, in a few words; empty if unknown."""

    def __str__(self) -> str:
        """Return dataset, licence and terms on one line."""
        return f"{self.data}: {self.id or 'unknown licence'}" + (f" ({self.terms})" if self.terms else "")


SIGNED_FORM = ("research only", "by the owners' signed form, not commercial, not to be redistributed")

LICENCES: dict[str, LicenceRecord] = {
    "dfew": LicenceRecord("DFEW", *SIGNED_FORM),
    "ferv39k": LicenceRecord("FERV39k", *SIGNED_FORM),
    "mafw": LicenceRecord("MAFW", *SIGNED_FORM),
    "cremad": LicenceRecord("CREMA-D", "ODbL-1.0 AND DbCL-1.0", "name the source; share changed databases alike"),
    "ravdess": LicenceRecord(
        "RAVDESS", "CC-BY-NC-SA-4.0", "not for commercial use; name the authors; share adaptations alike"
    ),
    "synth": LicenceRecord("SynthDFER", "MIT", "any use; keep the copyright notice"),
    "kinetics400": LicenceRecord(
        "Kinetics-400 weights", "BSD-3-Clause", "torchvision's; the videos of Kinetics have terms of their own"
    ),
    "videomae": LicenceRecord(
        "VideoMAE weights", "CC-BY-NC-4.0", "not for commercial use; the videos of Kinetics have terms of their own"
    ),
    "mae_dfer": LicenceRecord(
        "MAE-DFER weights", "MIT", "the authors'; the videos of VoxCeleb2 have terms of their own"
    ),
}
"""Dataset of ``ifdd prepare``, "synth", or public weights to start from -> its licence."""


def data_licence(dataset: str | None, synthetic: bool | None) -> LicenceRecord | None:
    """Return the licence of a dataset of ``ifdd prepare``; None if unknown, as for your own clips.

    Args:
        dataset: name of the dataset, or None if ``ifdd prepare`` did not make it.
        synthetic: whether its clips are SynthDFER's, which may have the layout of another dataset.
    """
    return LICENCES["synth"] if synthetic else LICENCES.get(dataset or "")


def joined_licences(*groups: Iterable[LicenceRecord]) -> tuple[LicenceRecord, ...]:
    """Return every licence of several groups once, in their order.

    Example:
        >>> from ifdd.records.licences import LICENCES, joined_licences
        >>> joined = joined_licences([LICENCES["ravdess"]], [LICENCES["synth"], LICENCES["ravdess"]])
        >>> [licence.id for licence in joined]
        ['CC-BY-NC-SA-4.0', 'MIT']
    """
    return tuple(dict.fromkeys(licence for group in groups for licence in group))


def licence_words(licences: Iterable[LicenceRecord] | None) -> str:
    """Return licences as text; empty if they are unknown."""
    return "; ".join(map(str, licences or ()))
