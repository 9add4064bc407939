"""Files of every kind that ifdd reads, sound and peculiar ones, as seeds of mutations."""

import os
import struct
import zlib
from collections.abc import Callable, Sequence
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import replace
from fractions import Fraction
from io import StringIO
from pathlib import Path

import av
import cv2
import numpy as np
import torch
from PIL import Image

from ifdd.data.labels import LABEL_SETS
from ifdd.data.manifest import Manifest, write_manifest
from ifdd.data.packs.writer import write_pack
from ifdd.export.command import export
from ifdd.faces.boxes import FaceBox
from ifdd.faces.tracking.tracks import TrackPoint
from ifdd.inference import Recognition
from ifdd.inference.results import Segment, TimelineEntry
from ifdd.model import create_model, save_checkpoint
from ifdd.records import CheckpointRecord
from ifdd.synth.command import synth
from ifdd.synth.rendered.assets import save_head_model
from ifdd.synth.rendered.mesh import HeadModel
from tests.helpers.layouts import write_cremad, write_dfew, write_ferv39k, write_mafw
from tests.helpers.reports import write_test, write_training
from tests.helpers.results import make_model, make_track, make_video
from tests.helpers.videos import moving_frames, write_clip_manifest, write_frame_folder, write_video

ROOT = Path(__file__).parents[2]

CODECS = {
    "h264.mp4": ("libx264", "yuv420p"),
    "h265.mkv": ("libx265", "yuv420p"),
    "mpeg4.avi": ("mpeg4", "yuv420p"),
    "mpeg2.ts": ("mpeg2video", "yuv420p"),
    "vp8.webm": ("libvpx", "yuv420p"),
    "vp9.webm": ("libvpx-vp9", "yuva420p"),
    "av1.mkv": ("libsvtav1", "yuv420p10le"),
    "mjpeg.mov": ("mjpeg", "yuvj420p"),
    "ffv1.mkv": ("ffv1", "yuv420p"),
    "flv.flv": ("flv", "yuv420p"),
    "wmv.asf": ("wmv2", "yuv420p"),
    "gif.gif": ("gif", "rgb8"),
}
"""Video -> encoder and pixel format."""

Seeds = dict[str, list[Path]]
"""Kind -> the seeds of the kind; a folder is a seed whose files are mutated one at a time."""


def write_seeds(folder: Path) -> Seeds:
    """Write all seeds below a folder; the same ones on every machine with the same libraries."""
    torch.manual_seed(0)
    os.environ.setdefault("SVT_LOG", "0")  # the encoder of AV1 tells much
    return {kind: list(write(folder / kind)) for kind, write in WRITERS.items()}


def _videos(folder: Path) -> Sequence[Path]:
    folder.mkdir(parents=True)
    frames = moving_frames(12)
    for name, (codec, pixels) in CODECS.items():
        with av.open(str(folder / name), "w") as container:
            stream = container.add_stream(codec, rate=Fraction(25))
            assert isinstance(stream, av.VideoStream)
            stream.width, stream.height, stream.pix_fmt = frames.shape[2], frames.shape[1], pixels
            if codec == "libx265":
                stream.options = {"x265-params": "log-level=none"}
            for image in frames:
                container.mux(stream.encode(av.VideoFrame.from_ndarray(image, format="rgb24")))
            container.mux(stream.encode(None))
    write_video(folder / "turned.mp4", frames, clockwise_turn=90)
    pictures = [Image.fromarray(image) for image in frames]
    for name in ("animated.webp", "animated.png", "animated.avif"):
        pictures[0].save(folder / name, save_all=True, append_images=pictures[1:], duration=40)
    return sorted(folder.iterdir())


def _images(folder: Path) -> Sequence[Path]:
    folder.mkdir(parents=True)
    picture = Image.fromarray(moving_frames(1)[0])
    deep = np.asarray(picture, np.uint16) * 257
    turned = Image.Exif()
    turned[0x0112] = 6
    picture.save(folder / "rgb.jpg")
    picture.save(folder / "turned.jpg", exif=turned)
    picture.save(folder / "progressive.jpg", progressive=True)
    for mode in ("L", "CMYK", "YCbCr"):
        picture.convert(mode).save(folder / f"{mode}.jpg")
    for mode in ("1", "L", "P", "LA", "RGBA", "I;16"):
        picture.convert("L" if mode == "I;16" else mode).convert(mode).save(folder / f"{mode.replace(';', '')}.png")
    for suffix in (".bmp", ".webp", ".avif", ".tif"):
        picture.save(folder / f"rgb{suffix}")
    picture.convert("CMYK").save(folder / "cmyk.tif", compression="tiff_lzw")
    for suffix in (".png", ".tiff"):
        cv2.imwrite(str(folder / f"deep{suffix}"), deep)
    picture.resize((1, 1)).save(folder / "one.png")
    picture.resize((1, 200)).save(folder / "thin.jpg")
    (folder / "huge.png").write_bytes(bomb_png(50_000, 50_000))
    (folder / "huge_whole.png").write_bytes(bomb_png(16_000, 16_000, whole=True))
    (folder / "huge.bmp").write_bytes(
        struct.pack("<2sIHHIIiiHHIIiiII", b"BM", 54, 0, 0, 54, 40, 2**30, 2**30, 1, 24, 0, 0, 0, 0, 0, 0)
    )
    return sorted(folder.iterdir())


def bomb_png(width: int, height: int, whole: bool = False) -> bytes:
    """Return a grey PNG with a huge header, and with ``whole`` all of its pixels, which are black and compress well."""

    def chunk(kind: bytes, content: bytes) -> bytes:
        return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))

    packer = zlib.compressobj(1)
    rows = b"".join(packer.compress(bytes(width + 1)) for _ in range(height if whole else 1)) + packer.flush()
    header = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", rows) + chunk(b"IEND", b"")


def _frames(folder: Path) -> Sequence[Path]:
    write_frame_folder(folder / "frames", moving_frames(4), ".jpg")
    return [folder / "frames"]


def _manifests(folder: Path) -> Sequence[Path]:
    path = write_clip_manifest(folder, ["happy", "sad", "angry"], count=2)
    samples = list(Manifest.read(path).samples)
    samples[0] = replace(samples[0], fps=25.0, durations="40*2", votes="happy:3 sad:1")
    samples[1] = replace(samples[1], attributes={"age": "31", "sex": "f"})
    write_manifest(path, samples)
    write_manifest(folder / "test.parquet", samples)
    for name, separator, encoding in (("excel.csv", ";", "utf-16"), ("tabs.csv", "\t", "cp1252")):
        (folder / name).write_text(path.read_text(encoding="utf-8").replace(",", separator), encoding=encoding)
    return [path, folder / "test.parquet", folder / "excel.csv", folder / "tabs.csv"]


def _lists(folder: Path) -> Sequence[Path]:
    write_dfew(folder / "dfew", variant="Clip/clip_224x224_16f", frames=2)
    write_ferv39k(folder / "ferv39k", frames=2)
    write_mafw(folder / "mafw", variant="frames", frames=2)
    write_cremad(folder / "cremad", frames=2)
    path = write_clip_manifest(folder / "folder", ["happy", "sad"], count=2)
    rows = [f"clips/{sample.path.name},{sample.label},p1" for sample in Manifest.read(path).samples]
    path.unlink()
    (folder / "folder" / "labels.csv").write_text("\n".join(["path,label,subject", *rows]) + "\n", encoding="utf-8")
    return [folder / name for name in ("dfew", "ferv39k", "mafw", "cremad", "folder")]


def _yaml(folder: Path) -> Sequence[Path]:
    folder.mkdir(parents=True)
    for path in sorted((ROOT / "configs").glob("*.yaml")):
        (folder / path.name).write_bytes(path.read_bytes())
    laughs = ["a0: &a0 [x, x]", *(f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]" for n in range(1, 9))]
    (folder / "laughs.yaml").write_text("\n".join(laughs) + "\ndata: *a8\n", encoding="utf-8")
    (folder / "laughs_in_value.yaml").write_text("data:\n  manifest: m.csv\n  classes: &a [x]\n" + "\n".join(laughs))
    (folder / "deep.yaml").write_text("data: " + "[" * 3000 + "]" * 3000, encoding="utf-8")
    (folder / "loop.yaml").write_text("data: &d\n  manifest: *d\n", encoding="utf-8")
    (folder / "run.yaml").write_text("run: !!python/object/apply:os.system ['touch ran']\n", encoding="utf-8")
    return sorted(folder.iterdir())


def _checkpoints(folder: Path) -> Sequence[Path]:
    model = create_model("ifdd_tiny", num_classes=7)
    save_checkpoint(folder / "own.safetensors", model, LABEL_SETS["dfew"], 1.0, CheckpointRecord(preset="ifdd_tiny"))
    state = dict(list(model.state_dict().items())[:6])
    torch.save({"state_dict": state, "epoch": 3}, folder / "zip.pth")
    torch.save(state, folder / "old.pth", _use_new_zipfile_serialization=False)
    return sorted(folder.iterdir())


def _exported(folder: Path) -> Sequence[Path]:
    """Export a model in every form, each into its own folder."""
    folder.mkdir(parents=True)
    checkpoint = folder.parent / "exported.safetensors"
    model = create_model("ifdd_tiny", num_classes=7, frames=8, size=32, backbone="vit_tiny")
    save_checkpoint(checkpoint, model, LABEL_SETS["dfew"], 1.0, CheckpointRecord(preset="ifdd_tiny"))
    for name in ("model.onnx", "model.xml", "model.pt2"):
        with redirect_stdout(StringIO()), redirect_stderr(StringIO()):
            export(checkpoint, folder / Path(name).suffix[1:] / name)
    return sorted(folder.iterdir())


def _packs(folder: Path) -> Sequence[Path]:
    samples = list(Manifest.read(write_clip_manifest(folder / "clips", ["happy", "sad"], count=3)).samples)
    for name, quality in (("jpeg.pack", 90), ("plain.pack", None)):
        write_pack(folder / name, samples, quality=quality)
    return [folder / "jpeg.pack", folder / "plain.pack"]


def _results(folder: Path) -> Sequence[Path]:
    predictions = [("clip_1", 0, 0, 0.9), ("clip_2", 1, 0, 0.6), ("clip_3", 1, 1, 0.8)]
    write_training(folder / "run")
    write_test(folder / "run" / "evaluation", predictions)
    return [folder / "run"]


def _recognitions(folder: Path) -> Sequence[Path]:
    points = [TrackPoint(frame, frame / 25, FaceBox(8.0, 8.0, 20.0, 24.0, 0.9)) for frame in range(100)]
    entries = [TimelineEntry(1, second, second + 1, (0.7, 0.3), 0.9, "") for second in range(4)]
    segments = [Segment(1, 0.0, 4.0, "happy", 0.7, 1.5, 0.9)]
    tracks = (make_track(1, 0.0, 4.0, points, entries, segments),)
    recognition = Recognition(make_video("party.mp4", 4.0, 100), make_model(("happy", "sad")), tracks, (1.5,))
    folder.mkdir(parents=True)
    recognition.write(folder / "party.json")
    return [folder / "party.json"]


def _truths(folder: Path) -> Sequence[Path]:
    with redirect_stdout(StringIO()), redirect_stderr(StringIO()):
        synth(folder / "set", clips=2, frames=3, size=32, workers=0)
    return [folder / "set"]


def _assets(folder: Path) -> Sequence[Path]:
    folder.mkdir(parents=True)
    plane = np.zeros((4, 3), np.float32)
    shapes, corners = np.zeros((2, 4, 3), np.float16), np.zeros((1, 4), np.int32)
    names = ("browDown_L", "jawOpen")
    save_head_model(
        folder / "head.npz",
        HeadModel(plane, shapes, shapes, names, plane[:, :2], corners, corners, corners[:, 0], ("skin",)),
    )
    return [folder / "head.npz"]


WRITERS: dict[str, Callable[[Path], Sequence[Path]]] = {
    "video": _videos,
    "image": _images,
    "frames": _frames,
    "manifest": _manifests,
    "lists": _lists,
    "yaml": _yaml,
    "checkpoint": _checkpoints,
    "exported": _exported,
    "pack": _packs,
    "results": _results,
    "recognition": _recognitions,
    "truth": _truths,
    "asset": _assets,
}
