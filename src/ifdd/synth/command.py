"""``ifdd synth``: write a SynthDFER set, a story or a crowd to a folder."""

import json
from collections.abc import Callable
from contextlib import closing
from dataclasses import asdict, replace
from functools import partial
from pathlib import Path
from typing import Any, Literal, NamedTuple, TypeVar

from ifdd.console import console, progress_bar
from ifdd.data.manifest import Sample, write_manifest
from ifdd.errors import InputError, check_range
from ifdd.files import parse_json, write_text
from ifdd.processes import available_cores, in_processes
from ifdd.synth.behaviour.action_units import expressible
from ifdd.synth.behaviour.behaviour import HABITS_VERSION, REPERTOIRE_VERSION, has_habits
from ifdd.synth.claim import MANIFEST, claim, record_manifest
from ifdd.synth.config import PRESETS, Preset, SynthConfig, changed
from ifdd.synth.identity import identity_attributes
from ifdd.synth.pairs import CONDITIONS, PairClip, plan_pairs, render_pair_clip
from ifdd.synth.plan import ClipPlan, person_identity, plan_clip
from ifdd.synth.render import Clip, clip_habits, render_clip
from ifdd.synth.rigs import RIG_VERSIONS, RigMaker, make_rig_maker
from ifdd.synth.tree import TOP_NAMES, TreeClip, plan_tree, render_tree_clip, resample, tree_config, write_lists
from ifdd.synth.truth import action_unit_attributes, scene_record, truth_record
from ifdd.synth.videos.crowd import CrowdConfig, write_crowd
from ifdd.synth.videos.story import StoryConfig, write_story
from ifdd.video.encode import write_images, write_video

SCHEMA_VERSION = 1

ClipFormat = Literal["mp4", "frames"]

ONLY_FORMATS: dict[str, ClipFormat] = {
    "pairs": "frames",
    "dfew": "frames",
    "ferv39k": "frames",
    "cremad": "mp4",
    "ravdess": "mp4",
}
"""Minimal pairs, or layout -> the only format that its clips may have."""

AT_ONCE = 8
"""Most clips of a person that a worker takes at once."""

Job = TypeVar("Job")
"""What a worker needs to write one clip."""


def synth(
    out: Path,
    *,
    clips: int = 0,
    pairs: int = 0,
    layout: Literal["", "dfew", "ferv39k", "mafw", "cremad", "ravdess"] = "",
    preset: Literal["easy", "standard", "wild", "lifelike"] = "standard",
    rig: Literal["drawn", "rendered", "both"] = "drawn",
    rig_data: Path | None = None,
    seed: int = 0,
    classes: Literal["dfew", "ferv39k", "mafw"] = "dfew",
    format: ClipFormat | None = None,
    size: int = 112,
    frames: int = 16,
    fps: float = 10.0,
    balance: Literal["uniform", "dfew"] = "uniform",
    identities: int = 400,
    validation: float = 0.1,
    test: float = 0.2,
    behaviour: dict[str, Any] | None = None,
    scene: dict[str, Any] | None = None,
    workers: int | None = None,
    story: str = "",
    story_video: StoryConfig = StoryConfig(),  # noqa: B008 -- frozen; gives the options their defaults
    crowd: bool = False,
    crowd_video: CrowdConfig = CrowdConfig(),  # noqa: B008
) -> None:
    """Generate SynthDFER, the built-in benchmark: labelled videos of computer-generated faces with full ground truth.

    Writes OUT/manifest.csv, OUT/clips/ID.mp4 (or a folder of PNG images) and OUT/clips/ID.json, the ground truth of
    every frame: action units, intensity, pose, gaze, speech, occlusion, landmarks, face box and light. The same seed
    gives the same frames for any number of clips and workers. Running the same command again resumes an interrupted
    run.

    Args:
        out: Folder to write to.
        clips: Number of clips.
        pairs: Number of minimal pairs to write instead of clips: test clips of this set, each as onset, constant,
            offset, reversed, shuffled, frozen_apex and frozen_rise, for 'ifdd evaluate --pairs'.
        layout: Write the folders and lists of this dataset, as input for 'ifdd prepare', instead of a manifest. The
            clips show cropped faces, for mafw, cremad and ravdess whole scenes. The dataset sets classes, frames per
            clip and folds.
        preset: Difficulty: easy is frontal and plain, standard the benchmark, wild has strong variation, lifelike shows
            expressions as people make them.
        rig: How people are drawn: drawn paints a face, rendered renders a head in three dimensions (needs the extra
            [render] and OpenGL on EGL), both mixes them.
        rig_data: ICT-FaceKit, the geometry of the rendered heads: the converted file, or the folder of its OBJ files,
            which are converted to torch's cache. By default it is downloaded once (387 MB).
        seed: Random seed of everything.
        classes: Label set, which gives names and order of the classes.
        format: MP4 videos, or folders of numbered PNG images. Default: mp4. Not with --pairs and --layout dfew or
            ferv39k, which write folders of JPEG images, nor with --layout cremad or ravdess, which write videos.
        size: Height and width of the frames in pixels.
        frames: Frames per clip.
        fps: Frame rate in frames per second.
        balance: Class sizes: uniform, or in the proportions of DFEW's first test set.
        identities: Number of people; no person occurs in two subsets.
        validation: Share of clips and people in the validation subset.
        test: Share of clips and people in the test subset.
        behaviour: Changes to the preset's behaviour, e.g. --behaviour.speech 0.8. Names: visible, strength, speech,
            blinks, gaze, yaw, sway, repertoire, speech_neutral, squint, raised_brows (see docs/synth.md).
        scene: Changes to the preset's scene, e.g. --scene.occlusion 0.5. Names: backgrounds, light_angle,
            light_contrast, light_tint, light_drift, shake, jitter, zoom, occlusion, blur, noise, jpeg, fill_lights,
            lens, brightness, grey, resolution (see docs/synth.md).
        workers: Worker processes that render clips; 0 renders in the main process. Default: one per core.
        story: Emotions separated by commas. Writes a long video of one person who shows them in turn: OUT/story.mp4
            and OUT/story.json.
        story_video: The video of --story.
        crowd: Write a video of several people, for the evaluation of tracking: OUT/crowd.mp4 and OUT/crowd.json.
        crowd_video: The video of --crowd.

    Raises:
        InputError: an option is out of range, there is nothing to do, or the folder holds another dataset.
    """
    labels = [name.strip() for name in story.split(",") if name.strip()]
    for label in labels:
        expressible(label)
    check_range("--clips", clips, at_least=0)
    check_range("--pairs", pairs, at_least=0)
    check_range("--seed", seed, at_least=0)
    check_range("--workers", workers, at_least=0)
    if not (clips or pairs or labels or crowd):
        raise InputError("nothing to do: give --clips N, --pairs N, --story happy,sad,... or --crowd")
    if pairs and (clips or layout):
        raise InputError(
            f"--pairs writes a set of its own; give --{'clips' if clips else 'layout'} with another folder"
        )
    config = SynthConfig(
        behaviour=changed(PRESETS[preset].behaviour, behaviour or {}, "behaviour"),
        scene=changed(PRESETS[preset].scene, scene or {}, "scene"),
        label_set=layout or classes,
        size=size,
        frames=frames,
        fps=fps,
        balance=balance,
        identities=identities,
        validation=0.0 if layout else validation,
        test=0.0 if layout else test,
        rig=rig,
    )
    format = _format(format, "pairs" if pairs else layout)
    if layout and not clips:
        raise InputError(f"--layout {layout} needs clips; say how many with --clips N")
    if format == "mp4" and size % 2 and not layout and clips:
        raise InputError(f"--size is {size}; mp4 needs an even number of pixels, or choose --format frames")
    if crowd and rig != "drawn":
        raise InputError(f"--rig is {rig}; the people of a crowd are drawn, so use --rig drawn with --crowd")
    make_rig = make_rig_maker(rig, rig_data)
    job = Rendering(config, seed, format, preset, make_rig)
    processes = available_cores() if workers is None else max(workers, 1)
    if clips and layout:
        write_tree(out, layout, job._replace(config=tree_config(layout, config)), clips, processes)
    elif clips:
        write_set(out, job, clips, processes)
    elif pairs:
        write_pairs(out, job, pairs, processes)
    if labels:
        context = Preset(config.behaviour, config.scene)
        write_story(out, labels, context, seed, story_video, make_rig, config.even_skin_tones, rig)
        console.print(f"{out / 'story.mp4'}: {len(labels) * story_video.seconds:g} s, truth in story.json")
    if crowd:
        write_crowd(out, Preset(config.behaviour, config.scene), seed, crowd_video)
        seconds = crowd_video.frames / crowd_video.person.fps
        console.print(f"{out / 'crowd.mp4'}: {seconds:g} s, truth in crowd.json")


def _format(given: ClipFormat | None, kind: str) -> ClipFormat:
    """Return the format of the clips of a set, or of the pairs or layout ``kind``.

    Raises:
        InputError: these have another one than was given.
    """
    only = ONLY_FORMATS.get(kind, given)
    if given not in (None, only):
        option = "--pairs" if kind == "pairs" else f"--layout {kind}"
        raise InputError(f"--format is {given}, but {option} always writes {only}; leave it out")
    return only or "mp4"


class Rendering(NamedTuple):
    """What determines the clips of a set."""

    config: SynthConfig
    seed: int
    format: str
    preset: str
    make_rig: RigMaker

    def settings(self) -> dict[str, Any]:
        """Return the settings as recorded in the set's folder."""
        config, rig = self.config, self.config.rig
        return {
            "schema_version": SCHEMA_VERSION,
            "seed": self.seed,
            "preset": self.preset,
            "format": self.format,
            "config": asdict(config),
            **({"rig_version": RIG_VERSIONS[rig]} if rig in RIG_VERSIONS else {}),
            **({"habits_version": HABITS_VERSION} if has_habits(config.behaviour) else {}),
            **({"repertoire_version": REPERTOIRE_VERSION} if config.behaviour.repertoire == "lifelike" else {}),
        }


def write_set(out: Path, job: Rendering, clips: int, workers: int) -> None:
    """Write ``clips`` clips, their truth and the manifest to ``out``; existing clips are kept.

    Raises:
        InputError: the folder holds a set with different settings, or cannot be written.
    """
    config, seed = job.config, job.seed
    claim(out, job.settings(), (MANIFEST, "clips"))
    plans = [plan_clip(config, seed, index) for index in range(clips)]
    missing = [plan for plan in plans if not _is_done(out, plan.clip_id, job.format)]
    numbers, people = [plan.number for plan in missing], [plan.person for plan in missing]
    _write_missing(partial(_write_clip, out, job), numbers, people, clips, workers)
    samples = [_sample(out, job, plan) for plan in plans]
    write_manifest(out / MANIFEST, samples)
    record_manifest(out)
    counts = ", ".join(
        f"{sum(sample.subset == subset for sample in samples)} {subset}" for subset in config.subset_people()
    )
    console.print(f"{out / 'manifest.csv'}: {clips} clips ({counts})")


def write_pairs(out: Path, job: Rendering, pairs: int, workers: int) -> None:
    """Write the clips of ``pairs`` minimal pairs, their truth and the manifest to ``out``; existing clips are kept.

    The frames are images, each compressed on its own: the same frame has the same pixels in all clips of a pair.

    Raises:
        InputError: the folder holds a set with different settings, or cannot be written, or there are no test clips.
    """
    clips = [clip for each in plan_pairs(job.config, job.seed, pairs) for clip in each]
    claim(out, {"pairs": list(CONDITIONS), **job.settings()}, (MANIFEST, "clips"))
    missing = [clip for clip in clips if not _is_done(out, clip.plan.clip_id, job.format)]
    people = [clip.plan.person for clip in missing]
    _write_missing(partial(_write_pair_clip, out, job), missing, people, len(clips), workers)
    samples = []
    for clip in clips:
        sample = _sample(out, job, clip.plan)
        about = {"pair": clip.pair, "condition": clip.condition}
        samples.append(replace(sample, attributes=about | sample.attributes))
    write_manifest(out / MANIFEST, samples)
    record_manifest(out)
    console.print(f"{out / 'manifest.csv'}: {pairs} pairs of {len(CONDITIONS)} clips")


def _sample(out: Path, job: Rendering, plan: ClipPlan) -> Sample:
    """Return the line of the manifest for a clip whose truth is written."""
    config, path = job.config, _clip_path(out, plan.clip_id, job.format)
    identity = person_identity(job.seed, plan.person, config.even_skin_tones)
    further = identity_attributes(identity)
    if has_habits(config.behaviour):
        further["habits"] = " ".join(clip_habits(plan, config, job.seed)) or "none"
    further |= _shown_units(out, plan.clip_id)
    sample = Sample(plan.clip_id, path, config.frames, plan.label, plan.subset, 0, plan.subject)
    return replace(sample, fps=config.fps, attributes=further)


def write_tree(out: Path, layout: str, job: Rendering, clips: int, workers: int) -> None:
    """Write ``clips`` clips and lists in the layout of an official dataset, and the truth.

    Raises:
        InputError: the folder holds a set with different settings, or cannot be written.
    """
    plans = plan_tree(layout, job.config, job.seed, clips, job.format)
    settings = {"layout": layout, **job.settings()}
    claim(out, settings, (MANIFEST, "truth", *TOP_NAMES[layout]))
    missing = [plan for plan in plans if not _tree_clip_is_done(out, plan)]
    people = [plan.plan.person for plan in missing]
    _write_missing(partial(_write_tree_clip, out, layout, job), missing, people, clips, workers)
    write_lists(out, layout, plans, job.config.identities, job.seed)
    console.print(
        f"{out}: {clips} clips in the layout of {layout}; next: ifdd prepare {layout} {out} OUT", soft_wrap=True
    )


def _clip_path(out: Path, clip_id: str, format: str) -> Path:
    return out / "clips" / (f"{clip_id}.mp4" if format == "mp4" else clip_id)


def _is_done(out: Path, clip_id: str, format: str) -> bool:
    # The truth is written last.
    return (out / "clips" / f"{clip_id}.json").exists() and _clip_path(out, clip_id, format).exists()


def _shown_units(out: Path, clip_id: str) -> dict[str, str]:
    """Return a clip's columns of action units, from its truth.

    Raises:
        InputError: the truth cannot be read, or is damaged.
    """
    path = out / "clips" / f"{clip_id}.json"
    try:
        return action_unit_attributes(parse_json(path.read_text(encoding="utf-8"))["frames"])
    except OSError as error:
        raise InputError(f"cannot read {path}: {error.strerror}; check its permissions") from error
    except (ValueError, KeyError, TypeError, AttributeError, ZeroDivisionError) as error:
        raise InputError(f"{path} is damaged ({error}); delete it and run the command again") from error


def _write_missing(
    write: Callable[[Job], None], missing: list[Job], people: list[int], clips: int, workers: int
) -> None:
    """Write the missing clips, with a progress bar; ``people`` holds the person of each."""
    # A rig is prepared once for all clips of a person that one worker writes in turn.
    of_person: dict[int, list[Job]] = {}
    for job, person in zip(missing, people, strict=True):
        of_person.setdefault(person, []).append(job)
    groups = [each[first : first + AT_ONCE] for each in of_person.values() for first in range(0, len(each), AT_ONCE)]
    # Closing stops the workers at once if the loop is interrupted.
    with progress_bar("clips") as progress, closing(in_processes(partial(_write_all, write), groups, workers)) as done:
        task = progress.add_task("synth", total=clips, completed=clips - len(missing))
        for written in done:
            progress.advance(task, written)


def _write_all(write: Callable[[Job], None], jobs: list[Job]) -> int:
    for job in jobs:
        write(job)
    return len(jobs)


def _write_clip(out: Path, job: Rendering, index: int) -> None:
    clip = render_clip(job.config, job.seed, index, job.make_rig)
    path = _clip_path(out, clip.plan.clip_id, job.format)
    if job.format == "mp4":
        write_video(path, clip.frames, job.config.fps)
    else:
        write_images(path, clip.frames)
    write_text(out / "clips" / f"{clip.plan.clip_id}.json", json.dumps(clip_record(clip, job)))


def _write_pair_clip(out: Path, job: Rendering, pair_clip: PairClip) -> None:
    clip = render_pair_clip(job.config, job.seed, pair_clip, job.make_rig)
    clip_id = clip.plan.clip_id
    write_images(_clip_path(out, clip_id, job.format), clip.frames, suffix=".jpg")
    record = clip_record(clip, job) | {"pair": pair_clip.pair, "condition": pair_clip.condition}
    write_text(out / "clips" / f"{clip_id}.json", json.dumps(record))


def _write_tree_clip(out: Path, layout: str, job: Rendering, plan: TreeClip) -> None:
    clip = render_tree_clip(layout, plan, job.config, job.seed, job.make_rig)
    path = out / plan.path
    if path.suffix in (".mp4", ".flv"):
        write_video(path, clip.frames, job.config.fps)
    elif layout == "mafw":
        write_images(path, clip.frames)
    else:
        write_images(path, clip.frames, suffix=".jpg", digits=1)
    if plan.resampled_path is not None:
        write_images(out / plan.resampled_path, resample(clip.frames), suffix=".jpg", digits=1)
    record = clip_record(clip, job)
    height, width = clip.frames.shape[1:3]
    record |= {"path": plan.path, "test_fold": plan.fold, "width": width, "height": height}
    write_text(_truth_path(out, plan), json.dumps(record))


def _tree_clip_is_done(out: Path, plan: TreeClip) -> bool:
    resampled = plan.resampled_path is None or (out / plan.resampled_path).exists()
    return resampled and (out / plan.path).exists() and _truth_path(out, plan).exists()


def _truth_path(out: Path, plan: TreeClip) -> Path:
    return out / "truth" / f"{plan.plan.clip_id}.json"


def clip_record(clip: Clip, job: Rendering) -> dict[str, Any]:
    """Return a clip's truth as written to the JSON file."""
    plan, config = clip.plan, job.config
    return {
        "schema_version": SCHEMA_VERSION,
        "clip_id": plan.clip_id,
        "label": plan.label,
        "subset": plan.subset,
        "subject": plan.subject,
        "seed": job.seed,
        "index": plan.number,
        "preset": job.preset,
        "rig": config.rig,
        "fps": config.fps,
        "size": config.size,
        "landmark_scheme": "ibug68",
        "identity": asdict(person_identity(job.seed, plan.person, config.even_skin_tones)),
        "scene": scene_record(clip.scene),
        "frames": [truth_record(frame) for frame in clip.truth],
    }
