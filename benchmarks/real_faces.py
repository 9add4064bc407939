"""How well checkpoints read photographs and clips of real faces: a folder of class folders, scored with intervals.

FOLDER has a folder for each emotion (``happy/``, ``Anger/``, any spelling that ifdd knows) with photographs, videos or
both. A photograph is a still clip: its face is found, cropped as the checkpoint expects it, and repeated; its quality
is not judged. Without a face, the whole picture is the crop. A video is read as by ``ifdd recognize``; the person who
is detected in most frames counts, with the mean of the probabilities over time. Nothing abstains.

Predictions are scored twice: among the folder's classes only (the probabilities are divided by their sum), and among
all classes of the checkpoint. The demonstration checkpoint is always scored as well. Written are OUT, a table with the
same name and the suffix .md, and the risk-coverage curves as .png.

    python benchmarks/real_faces.py FOLDER --checkpoint best.safetensors --detector-model yunet_n_640_640.onnx
"""

import argparse
import hashlib
import json
import platform
import shlex
import sys
import time
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import cv2
import numpy as np
import torch
from jaxtyping import Float, UInt8

from ifdd.data.labels import canonical_label
from ifdd.data.sampling import uniform_segments
from ifdd.errors import InputError, check_range
from ifdd.evaluation.protocol import commit
from ifdd.faces.alignment import HeadRoll, align_face
from ifdd.faces.boxes import FaceBox, crop_face
from ifdd.faces.detection import FaceDetector, choose_detector
from ifdd.faces.main_face import most_prominent_face
from ifdd.faces.upright import turn_upright
from ifdd.files import file_sha256
from ifdd.inference import Recognizer, WindowOptions
from ifdd.inference.segments import time_course
from ifdd.model import BUNDLED, DEMONSTRATION, Checkpoint, find_checkpoint, load_checkpoint, save_measurement
from ifdd.records import MeasuredRecord
from ifdd.video.frames import iter_frames
from ifdd.video.images import decode_image, read_image_bytes
from ifdd.video.suffixes import IMAGE_SUFFIXES, VIDEO_SUFFIXES

sys.path.insert(0, str(Path(__file__).parents[1]))
from benchmarks.real_faces_scores import draw_curves, markdown, score

CONFIDENT = 0.5
"""Detection score from which on a face is taken without a second search."""

BORDER = 0.5
"""Border added for the second search, in multiples of the longer side: close crops leave a detector no context."""

Picture = UInt8[np.ndarray, "height width 3"]


class Item(NamedTuple):
    """A photograph or video with its true class."""

    path: Path
    label: str
    """In the canonical spelling."""


class Photograph(NamedTuple):
    """A photograph and the face in it."""

    image: Picture
    """With a border, if the face was found only so."""
    box: FaceBox | None
    found: str
    """How the face was found: "plain", "with a border" or "not at all"."""


class Reader:
    """Reads photographs and videos with one checkpoint.

    Args:
        checkpoint: name of a bundled checkpoint, or a path.
        detector: the face detector.
        flip: average over each picture and its mirror image.
    """

    def __init__(self, checkpoint: str, detector: FaceDetector, flip: bool) -> None:
        self.name = checkpoint if checkpoint in BUNDLED else Path(checkpoint).name
        self.sha256 = file_sha256(find_checkpoint(checkpoint))
        self.checkpoint: Checkpoint = load_checkpoint(checkpoint)
        self.detector = detector
        self.recognizer = Recognizer(self.checkpoint, detector, windows=WindowOptions(flip=flip), device="auto")
        self.classes = tuple(map(canonical_label, self.checkpoint.classes))

    def read_photographs(self, photographs: Sequence[Photograph]) -> Float[np.ndarray, "photographs classes"]:
        """Return the probabilities of photographs as still clips."""
        reader = self.recognizer.reader
        clips = [np.broadcast_to(crop, (reader.frames, *crop.shape)) for crop in map(self.crop, photographs)]
        return reader.read(clips).numpy()

    def crop(self, photograph: Photograph) -> Picture:
        """Return the face as the checkpoint expects it; the whole picture if there is none."""
        image, box, _ = photograph
        size = self.recognizer.reader.size
        if box is None:
            return fit_square(image, size)
        if self.recognizer.reader.alignment == "landmarks":
            return align_face(image, box, self.detector, size)
        box = turn_upright(image, box, self.detector)
        return crop_face(image, box, size, HeadRoll(self.detector).update(image, box, 0.0))

    def read_video(self, path: Path) -> tuple[Float[np.ndarray, " classes"], bool]:
        """Return the probabilities of a video, and whether a face was found."""
        tracks = self.recognizer.recognize(path).tracks
        if tracks:
            windows = max(tracks, key=lambda track: int(track.boxes.detected.sum())).windows
            course = time_course(windows)
            return course.mean(course.probabilities, 0, len(course.quality)), True
        reader = self.recognizer.reader
        frames = np.stack([fit_square(frame.image, reader.size) for frame in iter_frames(path)])
        return reader.read([frames[uniform_segments(len(frames), reader.frames)]])[0].numpy(), False


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, metavar="FOLDER", help="folder of class folders")
    parser.add_argument("--checkpoint", action="append", default=[], help="a checkpoint to score; may be repeated")
    parser.add_argument("--classes", help="score only these class folders, separated by commas")
    parser.add_argument("--detector-model", type=Path, help="YuNet's .onnx file; by default it is downloaded once")
    parser.add_argument("--no-flip", action="store_true", help="do not average over mirror images")
    parser.add_argument("--threads", type=int, default=1, help="CPU threads of the model")
    parser.add_argument(
        "--store",
        action="store_true",
        help="store the accuracy in the --checkpoint files, for the notice of their results",
    )
    parser.add_argument("--out", type=Path, default=Path("results/real_faces.json"))
    options = parser.parse_args(arguments)
    try:
        run(options)
    except InputError as error:
        parser.exit(2, f"real_faces: {error}\n")


def run(options: argparse.Namespace) -> None:
    """Score and write everything.

    Raises:
        InputError: the folder, a file in it or a checkpoint is wrong.
    """
    check_range("--threads", options.threads, at_least=1)
    started = time.perf_counter()
    cv2.setNumThreads(1)
    torch.set_num_threads(options.threads)
    items = find_items(options.folder, options.classes)
    classes = tuple(dict.fromkeys(item.label for item in items))
    detector = choose_detector(options.detector_model, print)()
    given = list(dict.fromkeys(options.checkpoint))
    names = list(dict.fromkeys([*given, DEMONSTRATION]))
    readers = [Reader(name, detector, not options.no_flip) for name in names]
    for reader in readers:
        check_classes(reader, classes)
    stills = [item for item in items if is_image(item.path)]
    videos = [item for item in items if not is_image(item.path)]
    photographs = [open_photograph(item.path, detector) for item in stills]
    labels = [item.label for item in (*stills, *videos)]
    found = Counter(photograph.found for photograph in photographs)
    scored, faces_in_videos = [], 0
    for reader in readers:
        read = [reader.read_video(item.path) for item in videos]
        faces_in_videos = sum(face for _, face in read)
        rows = [*(reader.read_photographs(photographs) if photographs else ()), *(row for row, _ in read)]
        scored.append(describe(reader) | score(np.stack(rows), labels, reader.classes, classes))
    counts = Counter(labels)
    report: dict[str, Any] = {
        "command": command(options),
        "folder": {
            "name": options.folder.resolve().name,
            "sha256": folder_hash(options.folder, items),
            "photographs": len(stills),
            "videos": len(videos),
            "classes": {name: counts[name] for name in classes},
        },
        "detector": detector.name,
        "faces": {
            "plain": found["plain"],
            "with a border": found["with a border"],
            "whole photographs": found["not at all"],
            "whole videos": len(videos) - faces_in_videos,
        },
        "flip": not options.no_flip,
        "chance": {"uniform": 1 / len(classes), "majority": max(counts.values()) / len(labels)},
        "commit": commit(),
        "machine": {"processor": platform.machine(), "threads": torch.get_num_threads(), "torch": torch.__version__},
        "seconds": round(time.perf_counter() - started, 1),
        "checkpoints": scored,
    }
    options.out.parent.mkdir(parents=True, exist_ok=True)
    if options.store:
        store(given, scored, report["folder"])
    options.out.write_text(json.dumps(report, indent=1) + "\n", encoding="utf-8")
    draw_curves(report, options.out.with_suffix(".png"))
    text = markdown(report, options.out.with_suffix(".png").name)
    options.out.with_suffix(".md").write_text(text, encoding="utf-8")
    print(text)


def find_items(folder: Path, chosen: str | None) -> list[Item]:
    """Return the photographs and videos of the class folders, in order of class and name.

    Args:
        folder: folder of class folders.
        chosen: the class folders to use, separated by commas; None for all.

    Raises:
        InputError: the folder does not exist or has no class folders, a name is not an emotion, or a class is empty.
    """
    if not folder.is_dir():
        raise InputError(f"the folder {folder} does not exist; give a folder of class folders")
    wanted = None if chosen is None else {canonical_label(name) for name in chosen.split(",")}
    items = []
    for inner in sorted(path for path in folder.iterdir() if path.is_dir() and not path.name.startswith(".")):
        try:
            label = canonical_label(inner.name)
        except InputError as error:
            raise InputError(f"{inner}: {error}; rename the folder, or choose others with --classes") from error
        if wanted is None or label in wanted:
            files = [path for path in sorted(inner.iterdir()) if is_image(path) or is_video(path)]
            if not files:
                raise InputError(f"{inner} has no photographs or videos; fill it or leave it out")
            items += [Item(path, label) for path in files]
    missing = (wanted or set()) - {item.label for item in items}
    if missing:
        raise InputError(f"{folder} has no folder for {', '.join(sorted(missing))}; choose others with --classes")
    if len({item.label for item in items}) < 2:
        raise InputError(f"{folder} has fewer than two class folders; name them happy, sad, ...")
    return items


def is_image(path: Path) -> bool:
    return path.suffix.lower() in IMAGE_SUFFIXES and not path.name.startswith(".")


def is_video(path: Path) -> bool:
    return path.suffix.lower() in VIDEO_SUFFIXES and not path.name.startswith(".")


def check_classes(reader: Reader, classes: Iterable[str]) -> None:
    """Check that a checkpoint knows the folder's classes.

    Raises:
        InputError: it does not.
    """
    missing = [name for name in classes if name not in reader.classes]
    if missing:
        raise InputError(
            f"{reader.name} has no class {', '.join(missing)}, only {', '.join(reader.classes)}; "
            "choose the class folders with --classes"
        )


def open_photograph(path: Path, detector: FaceDetector) -> Photograph:
    """Read a photograph and find its main face.

    Raises:
        InputError: the file is not readable as an image.
    """
    return locate(decode_image(read_image_bytes(path), str(path)), detector)


def locate(image: Picture, detector: FaceDetector) -> Photograph:
    """Return a photograph with its main face, searched again with a border if it is not clear."""
    height, width = image.shape[:2]
    box = most_prominent_face(detector.detect(image), width, height)
    if box is not None and box.score >= CONFIDENT:
        return Photograph(image, box, "plain")
    border = round(BORDER * max(height, width))
    larger = cv2.copyMakeBorder(image, border, border, border, border, cv2.BORDER_REPLICATE)
    other = most_prominent_face(detector.detect(larger), larger.shape[1], larger.shape[0])
    if other is not None and (box is None or other.score > box.score):
        return Photograph(larger, other, "with a border")
    return Photograph(image, box, "not at all" if box is None else "plain")


def fit_square(image: Picture, size: int) -> Picture:
    """Return the middle square of a picture, scaled."""
    height, width = image.shape[:2]
    side = min(height, width)
    top, left = (height - side) // 2, (width - side) // 2
    return cv2.resize(image[top : top + side, left : left + side], (size, size), interpolation=cv2.INTER_AREA)


def folder_hash(folder: Path, items: Sequence[Item]) -> str:
    """Return a hash of the names and contents of the files that were read."""
    lines = [f"{item.path.relative_to(folder).as_posix()} {file_sha256(item.path)}\n" for item in items]
    return hashlib.sha256("".join(lines).encode()).hexdigest()


def describe(reader: Reader) -> dict[str, Any]:
    """Return what identifies a checkpoint."""
    config = reader.checkpoint.model.config
    return {
        "checkpoint": reader.name,
        "sha256": reader.sha256,
        "synthetic": reader.checkpoint.record.synthetic,
        "temperature": reader.checkpoint.temperature,
        "frames": config.frames,
        "size": config.size,
        "alignment": config.alignment,
    }


def store(checkpoints: Sequence[str], scored: Sequence[dict[str, Any]], folder: dict[str, Any]) -> None:
    """Store the accuracy among the folder's classes in the checkpoints' files, whose hashes change with it.

    Args:
        checkpoints: the files, each once.
        scored: the scores of these checkpoints, then of others; their hashes become those of the new files.
        folder: what the report says of the folder.

    Raises:
        InputError: a file cannot be written.
    """
    pictures = "pictures" if folder["photographs"] and folder["videos"] else "photographs"
    pictures = pictures if folder["photographs"] else "videos"
    for checkpoint, scores in zip(checkpoints, scored, strict=False):
        accuracy = scores["restricted"]["accuracy"]
        measured = MeasuredRecord(
            pictures=pictures,
            count=folder["photographs"] + folder["videos"],
            classes=len(folder["classes"]),
            accuracy=accuracy["value"],
            interval=tuple(accuracy["interval"]),
        )
        save_measurement(checkpoint, find_checkpoint(checkpoint), measured)
        scores["sha256"] = file_sha256(find_checkpoint(checkpoint))


def command(options: argparse.Namespace) -> str:
    """Return the command, with names in place of the paths of this machine."""
    words = ["python", "benchmarks/real_faces.py", options.folder.resolve().name]
    for checkpoint in options.checkpoint:
        words += ["--checkpoint", Path(checkpoint).name]
    if options.classes:
        words += ["--classes", options.classes]
    if options.detector_model:
        words += ["--detector-model", options.detector_model.name]
    return shlex.join([*words, *(["--no-flip"] if options.no_flip else [])])


if __name__ == "__main__":
    main()
