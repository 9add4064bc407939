"""Trials on a built-in clip: encoders, decoders, detectors, the bundled models, recognition, and the rendered rig."""

import importlib.util
import os
import tempfile
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

from ifdd.diagnosis.finding import Finding
from ifdd.errors import InputError

if TYPE_CHECKING:
    import numpy as np

GROUP = "trials"

FRAMES, SIZE, FPS = 24, 160, 25.0
"""The built-in clip: a drawn person, whose face fills much of the picture."""

DECODERS = ("h264", "hevc", "vp8", "vp9", "av1", "mpeg4", "mjpeg", "gif")
"""Decoders of common videos."""


@lru_cache(maxsize=1)
def built_in_clip() -> "np.ndarray":
    """Return (FRAMES, SIZE, SIZE, 3) RGB images of a drawn person, the same everywhere."""
    from ifdd.synth.config import PRESETS, SynthConfig
    from ifdd.synth.render import render_clip

    easy = PRESETS["easy"]
    return render_clip(SynthConfig(easy.behaviour, easy.scene, size=SIZE, frames=FRAMES, fps=FPS), 1, 0).frames


def videos() -> Iterator[Finding]:
    """Write the built-in clip as a video, and read it."""
    import av

    from ifdd.video.encode import best_encoder, write_video
    from ifdd.video.frames import iter_frames

    known = [name for name in DECODERS if name in av.codecs_available]
    absent = sorted(set(DECODERS) - set(known))
    remedy = "install PyAV from PyPI (pip install --force-reinstall av): its FFmpeg has them" if absent else ""
    value = f"FFmpeg {av.ffmpeg_version_info}: {', '.join(known)}" + (f"; not {', '.join(absent)}" if absent else "")
    yield Finding(GROUP, "decoders", value, "note" if absent else "ok", remedy)
    with tempfile.TemporaryDirectory(prefix="ifdd-doctor-") as folder:
        path = Path(folder) / "clip.mp4"
        write_video(path, built_in_clip(), FPS)
        count = sum(1 for _ in iter_frames(path))
    name = f"write and read a video ({best_encoder()})"
    if count != FRAMES:
        yield Finding(GROUP, name, f"{count} of {FRAMES} frames", "wrong", "pip install --force-reinstall av")
        return
    yield Finding(GROUP, name, f"{count} frames")


def pictures() -> Iterator[Finding]:
    """Write and read a picture in every format."""
    import cv2

    from ifdd.limits import most_pixels
    from ifdd.video.images import decode_image
    from ifdd.video.suffixes import IMAGE_SUFFIXES

    most_pixels()  # a wrong limit is not the fault of the formats
    lost = []
    for suffix in IMAGE_SUFFIXES:
        try:
            good, data = cv2.imencode(suffix, built_in_clip()[0])
            decode_image(data.tobytes() if good else b"", suffix)
        except (cv2.error, InputError):
            lost.append(suffix)
    needed = {".jpg", ".png"} & set(lost)
    remedy = "pip install --force-reinstall 'opencv-python-headless<5'" if lost else ""
    value = "all formats" if not lost else f"not {', '.join(lost)}"
    yield Finding(GROUP, "write and read pictures", value, "wrong" if needed else "note" if lost else "ok", remedy)


def detectors() -> Iterator[Finding]:
    """Search for the face of the built-in clip with each detector; nothing is downloaded."""
    import torch

    from ifdd.faces.detection import YUNET_FILE, YUNET_SHA256, HaarDetector, YuNetDetector
    from ifdd.files import file_sha256
    from ifdd.remote.downloads import OFFLINE

    yield _detector("Haar cascade", HaarDetector())
    path = Path(torch.hub.get_dir()) / "checkpoints" / YUNET_FILE
    if not path.is_file():
        offline = os.environ.get(OFFLINE, "0").strip() not in ("", "0")
        remedy = f"--detector-model FILE gives YuNet's file, and {OFFLINE}=0 allows its download (317 kB)"
        value = f"not downloaded, and {OFFLINE} forbids it" if offline else "not downloaded yet; its first use does"
        yield Finding(GROUP, "YuNet", value, "note", remedy if offline else "")
        return
    if file_sha256(path) != YUNET_SHA256:
        remedy = f"delete {YUNET_FILE} in the cache of models; the next use downloads it again"
        yield Finding(GROUP, "YuNet", "its file is damaged", "wrong", remedy)
        return
    yunet = YuNetDetector(path)
    yield _detector(f"YuNet in {yunet.engine}", yunet)


def models() -> Iterator[Finding]:
    """Load the bundled models, and let each read the built-in clip."""
    import torch

    from ifdd.model import BUNDLED, load_checkpoint

    for name in BUNDLED:
        try:
            checkpoint = load_checkpoint(name)
        except InputError as error:
            yield Finding(GROUP, name, str(error), "wrong", "pip install --force-reinstall ifdd")
            continue
        config = checkpoint.model.config
        clip = torch.from_numpy(built_in_clip()[: config.frames].copy()).permute(3, 0, 1, 2)[None] / 255
        with torch.inference_mode():
            resized = torch.nn.functional.interpolate(clip, (config.frames, config.size, config.size))
            logits = checkpoint.model(resized).logits
        sound = bool(torch.isfinite(logits).all()) and logits.shape == (1, len(checkpoint.classes))
        value = f"reads a clip as one of {len(checkpoint.classes)} classes" if sound else "gives no finite numbers"
        remedy = "" if sound else "pip install --force-reinstall torch"
        yield Finding(GROUP, name, value, "ok" if sound else "wrong", remedy)


def recognition() -> Iterator[Finding]:
    """Recognise the built-in clip as ``ifdd recognize`` does."""
    from ifdd.faces.detection import HaarDetector
    from ifdd.inference import Recognizer
    from ifdd.video.encode import write_video

    with tempfile.TemporaryDirectory(prefix="ifdd-doctor-") as folder:
        path = Path(folder) / "clip.mp4"
        write_video(path, built_in_clip(), FPS)
        found = Recognizer.from_checkpoint("ifdd_tiny_synth", HaarDetector(), device="cpu").recognize(path)
    people = len(found.tracks)
    remedy = "" if people else "send the output of 'ifdd doctor --json' with a bug report"
    yield Finding(GROUP, "recognise a video", f"{people} of 1 person", "ok" if people else "wrong", remedy)


def rendered_rig() -> Iterator[Finding]:
    """Open OpenGL as the rendered rig does, if its extra is installed."""
    if importlib.util.find_spec("moderngl") is None:
        return  # told among the packages
    from ifdd.synth.rendered.renderer import Renderer

    try:
        yield Finding(GROUP, "OpenGL on EGL", Renderer().name)
    except InputError as error:
        yield Finding(GROUP, "OpenGL on EGL", str(error), "note", "only 'ifdd synth --rig rendered' needs it")


def _detector(name: str, detector: object) -> Finding:
    found = sum(bool(detector.detect(image)) for image in built_in_clip()[::6])  # type: ignore[attr-defined]
    searched = len(built_in_clip()[::6])
    remedy = "" if found else "pip install --force-reinstall 'opencv-python-headless<5'"
    return Finding(GROUP, name, f"face found in {found} of {searched} pictures", "ok" if found else "wrong", remedy)
