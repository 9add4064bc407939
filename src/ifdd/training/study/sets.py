"""The clips of a study: one SynthDFER set for every share of the clip in which the emotion shows."""

from dataclasses import replace
from pathlib import Path

from ifdd.data.manifest import Manifest
from ifdd.synth.claim import is_claimed
from ifdd.synth.command import Rendering, write_set
from ifdd.synth.config import PRESETS, SynthConfig, changed
from ifdd.synth.rigs import make_rig_maker
from ifdd.training.study.config import SetsConfig


def set_config(sets: SetsConfig, visible: float) -> SynthConfig:
    """Return the settings of a set; sets differ in nothing but ``behaviour.visible``.

    Raises:
        InputError: a setting does not exist or is out of range.
    """
    preset = PRESETS[sets.preset]
    behaviour = replace(changed(preset.behaviour, sets.behaviour, "sets.behaviour"), visible=(visible, visible))
    return SynthConfig(
        behaviour=behaviour,
        scene=changed(preset.scene, sets.scene, "sets.scene"),
        size=sets.size,
        frames=sets.frames,
        identities=sets.identities,
        validation=sets.validation,
        test=sets.test,
    )


def manifest_path(work: Path, visible: float) -> Path:
    """Return the manifest of a set in the folder of a study."""
    return work / "clips" / f"visible_{100 * visible:g}" / "manifest.csv"


def write_clips(sets: SetsConfig, work: Path, workers: int) -> None:
    """Write the sets of a study, or what is missing of them.

    Args:
        sets: the settings.
        work: folder of the study.
        workers: processes that render.

    Raises:
        InputError: the folder holds clips of other settings, or cannot be written.
    """
    rig = make_rig_maker("drawn", None)
    for visible in sets.visible:
        rendering = Rendering(set_config(sets, visible), sets.seed, "frames", sets.preset, rig)
        manifest = manifest_path(work, visible)
        if not _is_whole(manifest, rendering, sets.clips):
            write_set(manifest.parent, rendering, sets.clips, workers)


def _is_whole(manifest: Path, rendering: Rendering, clips: int) -> bool:
    """Whether a set is finished, which is quicker to see than for all its clips."""
    same = manifest.exists() and is_claimed(manifest.parent, rendering.settings())
    return same and len(Manifest.read(manifest).samples) == clips
