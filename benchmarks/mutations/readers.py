"""The readers of every kind of file, called as the commands call them."""

from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import numpy as np
import torch
from numpy.random import Generator

from ifdd.__main__ import load
from ifdd.command_line.options import describe
from ifdd.command_line.parser import parse
from ifdd.data.manifest import Manifest
from ifdd.data.packs.reader import Pack, verify_pack
from ifdd.data.preparation.prepare import prepare
from ifdd.errors import InputError
from ifdd.explanation.disentanglement import truth
from ifdd.inference import Recognition
from ifdd.inference.batch.jobs import find_videos
from ifdd.model import load_checkpoint, load_model, load_official
from ifdd.model.weights.foreign import is_ours
from ifdd.reporting.command import report
from ifdd.synth.command import synth
from ifdd.synth.rendered.assets import load_head_model
from ifdd.video.frames import iter_frames, measure
from ifdd.video.images import decode_image, read_image_bytes
from ifdd.video.sources import SourceOptions, open_video

FACES = 4
"""Frames of a video in which faces are searched: a detector sees what a decoder makes of damage."""


def read_video(path: Path, random: Generator) -> None:
    """Read a video as a dataset does, which refuses damage, or as ``ifdd recognize`` does, which passes it over."""
    if random.random() < 0.4:
        for _ in iter_frames(path):
            pass
        measure(path)
        return
    start = float(random.choice([0.0, 0.0, 0.2, 5.0]))
    with closing(open_video(path, SourceOptions(start_seconds=start))) as source:
        for number, frame in enumerate(source):
            if number < FACES:
                _search(frame.image)
        source.info()


def read_image(path: Path, random: Generator) -> None:
    """Read a photograph, alone or as a video of one frame."""
    _search(decode_image(read_image_bytes(path), str(path)))
    with closing(open_video(path)) as source:
        for frame in source:
            _search(frame.image)


def _search(image: object) -> None:
    from ifdd.faces.detection import HaarDetector

    HaarDetector().detect(image)  # type: ignore[arg-type]


def read_frames(path: Path, random: Generator) -> None:
    """Find the folder of images as a video, and read it."""
    find_videos([str(path.parent)], path.parent.parent / "out")
    read_video(path.parent, random)


def read_manifest(path: Path, random: Generator) -> None:
    """Read a manifest and derive what commands derive from it."""
    manifest = Manifest.read(path)
    assert manifest.dataset_hash
    for sample in manifest.samples:
        sample.seconds()
    manifest.select(random.choice(["train", "test"]), None)


def read_lists(path: Path, random: Generator) -> None:
    """Prepare the dataset whose file was mutated."""
    dataset = next(name for name in ("dfew", "ferv39k", "mafw", "cremad", "folder") if name in path.parts)
    root = Path(*path.parts[: path.parts.index(dataset) + 1])
    thoroughness = random.choice(["first", "all"])
    prepare(dataset, root, root.parent / "out", check_frames=thoroughness, workers=1, faces="keep")


def read_yaml(path: Path, random: Generator) -> None:
    """Parse a file of options as a command does; also with the other commands' options, which it then lacks."""
    name = {"study": "study", "study_gpu": "study"}.get(path.stem, "train")
    command = random.choice([name, name, name, "recognize", "crossval", "evaluate"])
    parse(describe(command, load(command)), [f"--config={path}"])


def read_checkpoint(path: Path, random: Generator) -> None:
    """Load a checkpoint as evaluation does, and as conversion does."""
    if random.random() < 0.7 and is_ours(path):
        load_checkpoint(path)
        return
    try:
        load_official(path)
    except InputError:
        load_checkpoint(path)


def read_exported(path: Path, random: Generator) -> None:
    """Load an exported model, start its engine, and run a clip."""
    model = load_model(path.with_suffix(".xml") if path.suffix == ".bin" else path)
    config = model.config
    model.engine("cpu")(torch.zeros(1, 3, config.frames, config.size, config.size))


def read_pack(path: Path, random: Generator) -> None:
    """Open a pack, read every frame, and verify it."""
    pack = Pack(path.parent)
    for clip_id in pack.clip_hashes:
        pack.read_frames(clip_id)
    verify_pack(path.parent)


def read_results(path: Path, random: Generator) -> None:
    """Write a report of the folder of a training and its evaluation."""
    root = next(folder for folder in path.parents if folder.name == "run")
    report([str(root)], out=root.parent / "report.html", skip_heat_maps=True, device="cpu")


def read_recognition(path: Path, random: Generator) -> None:
    """Load the results of a video and write them in another form."""
    found = Recognition.load(path)
    for form in ("json", "csv", "vtt", "srt", "eaf", "textgrid", "png"):
        if form != "png" or random.random() < 0.05:
            found.write(path.parent / f"again.{form}")
    found.summary()


def read_truth(path: Path, random: Generator) -> None:
    """Resume the generation of a set, which reads its settings and the truth of its clips; read the truth of a clip."""
    root = next(folder for folder in path.parents if folder.name == "set")
    if path.suffix == ".json" and path.parent.name == "clips":
        truth.read_truth(path, np.arange(3))
    synth(root, clips=2, frames=3, size=32, workers=0)


def read_asset(path: Path, random: Generator) -> None:
    """Load the geometry of rendered heads; only the published one is accepted."""
    load_head_model(path)


READERS: dict[str, Callable[[Path, Generator], None]] = {
    "video": read_video,
    "image": read_image,
    "frames": read_frames,
    "manifest": read_manifest,
    "lists": read_lists,
    "yaml": read_yaml,
    "checkpoint": read_checkpoint,
    "exported": read_exported,
    "pack": read_pack,
    "results": read_results,
    "recognition": read_recognition,
    "truth": read_truth,
    "asset": read_asset,
}
"""Kind of a seed -> what reads it; called with the mutated file."""
