"""Loading speed: clips per second and core from folders of frames and from packs; augmentation is measured separately.

SynthDFER frames (preset ``wild``) are written in the formats of the three benchmarks: JPEG of 224 x 224 and 256 x 256
pixels as in DFEW, and PNG of whole scenes as in MAFW (assumed 1280 x 720: the drawn face enlarged, with noise). Each
format is packed twice, as JPEG and uncompressed, and read by one process as test clips of 16 x 224 x 224, ready for the
model. The formats take turns, so that their ratios hold on a busy machine too.

"warm": all files have been read before. "cold": the operating system was asked to drop the contents of the files
(posix_fadvise; not the folders, nor the caches of a disk or host below), so the gain on a slow disk is larger than
measured. Speeds per CPU second are those of an otherwise idle core.

    python benchmarks/loading.py
"""

import argparse
import json
import os
import platform
import tempfile
import time
from collections.abc import Callable, Iterable
from importlib.metadata import version
from pathlib import Path
from statistics import median
from typing import Any

import cv2
import numpy as np
import torch
from torch.utils.data import DataLoader

from ifdd.data.dataset import ClipDataset, colour_planes, fit_frames
from ifdd.data.manifest import Sample
from ifdd.data.packs.reader import Pack
from ifdd.data.packs.writer import write_pack
from ifdd.data.transforms import AugmentationConfig, ClipAugmentation
from ifdd.model.inspection.measuring import device_name
from ifdd.synth import PRESETS, SynthConfig, render_clip
from ifdd.video.images import decode_image

FRAMES, SIZE = 16, 224
SCENE = (1280, 720)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--clips", type=int, default=20, help="clips per format; a quarter of them for the slow PNG")
    parser.add_argument("--length", type=int, default=64, help="frames per clip")
    parser.add_argument(
        "--rounds", type=int, default=5, help="repetitions of each measurement, of which the median is reported"
    )
    parser.add_argument("--out", type=Path, default=Path("results/loading.json"))
    options = parser.parse_args()
    cv2.setNumThreads(1)
    torch.set_num_threads(1)
    report: dict[str, Any] = {
        "machine": machine(),
        "clip": {"frames": FRAMES, "size": SIZE, "sampling": "uniform_segments"},
        "videos": {"clips": options.clips, "frames": options.length},
    }
    with tempfile.TemporaryDirectory() as folder:
        report["forms"] = {}
        for name, samples in write_forms(Path(folder), options.clips, options.length).items():
            report["forms"][name] = measure_form(Path(folder), name, samples, options.rounds)
            print(f"{name}: {json.dumps(report['forms'][name], indent=1)}")
    report["augmentation"] = measure_augmentation(options.rounds)
    print(f"augmentation: {json.dumps(report['augmentation'], indent=1)}")
    options.out.parent.mkdir(parents=True, exist_ok=True)
    options.out.write_text(json.dumps(report, indent=2) + "\n", encoding="utf-8")


def machine() -> dict[str, Any]:
    """Return the software and hardware that the speeds depend on."""
    return {
        "processor": device_name("cpu"),
        "cores": os.cpu_count(),
        "system": platform.system(),
        "python": platform.python_version(),
        **{name: version(name) for name in ("numpy", "opencv-python-headless", "torch", "kornia")},
    }


def write_forms(root: Path, clips: int, length: int) -> dict[str, list[Sample]]:
    """Write the same drawn clips as folders in each format."""
    preset = PRESETS["wild"]
    config = SynthConfig(preset.behaviour, preset.scene, size=256, frames=length)
    noise = np.random.default_rng(0).normal(0, 2, (SCENE[1], SCENE[0], 3))
    written = {"jpeg_224": range(clips), "jpeg_256": range(clips), "png_1280x720": range(max(1, clips // 4))}
    forms: dict[str, list[Sample]] = {name: [] for name in written}
    for index in range(clips):
        clip_id = f"{index:05}"
        frames = render_clip(config, 0, index).frames[..., ::-1]
        for name in (name for name in forms if index in written[name]):
            folder = root / name / clip_id
            folder.mkdir(parents=True)
            forms[name].append(Sample(clip_id, folder, length, "happy", "test"))
            for number, frame in enumerate(frames, 1):
                if name == "jpeg_224":
                    image = cv2.resize(frame, (SIZE, SIZE), interpolation=cv2.INTER_AREA)
                elif name == "jpeg_256":
                    image = frame
                else:
                    scene = cv2.resize(frame, SCENE, interpolation=cv2.INTER_LINEAR) + np.roll(noise, number, 0)
                    image = scene.clip(0, 255).astype(np.uint8)
                cv2.imwrite(str(folder / f"{number:05}{'.png' if name.startswith('png') else '.jpg'}"), image)
    return forms


def measure_form(root: Path, name: str, samples: list[Sample], rounds: int) -> dict[str, Any]:
    """Return the speeds of one format, as folders and as packs."""
    stored = {"folders": samples}
    packing = {}
    for kind, quality in (("pack", 95), ("pack_uncompressed", None)):
        start = time.process_time()
        stored[kind] = write_pack(root / f"{name}_{kind}.pack", samples, size=SIZE, quality=quality)
        packing[kind] = sum(sample.frames for sample in samples) / (time.process_time() - start)
    files = {kind: files_of({sample.path for sample in of_kind}) for kind, of_kind in stored.items()}
    for file in (file for of_kind in files.values() for file in of_kind):
        forget(file)  # also writes it to the disk
    warm: dict[str, list[tuple[float, float]]] = {kind: [] for kind in stored}
    cold: dict[str, list[tuple[float, float]]] = {kind: [] for kind in stored}
    for _ in range(rounds):
        for kind, of_kind in stored.items():
            dataset = ClipDataset(of_kind, "dfew", FRAMES, SIZE)
            for file in files[kind]:
                forget(file)
            cold[kind].append(timed(read_all, dataset))
            warm[kind].append(timed(read_all, dataset))
    return {
        kind: {
            "bytes_per_frame": round(sum(f.stat().st_size for f in files[kind]) / sum(s.frames for s in samples)),
            "warm_clips_per_cpu_second": round(len(samples) / median(cpu for _, cpu in warm[kind]), 1),
            "warm_clips_per_second": round(len(samples) / median(wall for wall, _ in warm[kind]), 1),
            "cold_clips_per_second": round(len(samples) / median(wall for wall, _ in cold[kind]), 1),
            "warm_times_folders": ratio(warm["folders"], warm[kind], 1),
            "cold_times_folders": ratio(cold["folders"], cold[kind], 0),
            "clips_per_second_of_all_cores": round(all_cores(of_kind), 1),
        }
        | (
            {"packed_frames_per_cpu_second": round(packing[kind]), "milliseconds_per_clip": parts(of_kind, rounds)}
            if kind in packing
            else {}
        )
        for kind, of_kind in stored.items()
    }


def parts(samples: list[Sample], rounds: int) -> dict[str, float]:
    """Return how the CPU time of a packed clip is spent."""
    pack = Pack(samples[0].path)
    positions = ClipDataset(samples, "dfew", FRAMES, SIZE).frame_indices(0)
    files = [[pack.read_bytes(sample.clip_id, index) for index in positions] for sample in samples]
    frames = [pack.read_frames(sample.clip_id, positions) for sample in samples]
    raw = not files[0][0].startswith(b"\xff\xd8")
    steps: dict[str, Callable[[int], object]] = {
        "read": lambda clip: [pack.read_bytes(samples[clip].clip_id, index) for index in positions],
        "decode": lambda clip: None if raw else [decode_image(data, "") for data in files[clip]],
        "colours_to_the_front": lambda clip: colour_planes(fit_frames(frames[clip], SIZE)),
    }
    found = {}
    for name, step in steps.items():
        seconds = median(timed(read_all, map(step, range(len(samples))))[1] for _ in range(rounds))
        found[name] = round(seconds / len(samples) * 1000, 3)
    return found


def all_cores(samples: list[Sample], epochs: int = 4) -> float:
    """Return the clips per second from a data loader with one worker per core."""
    dataset = ClipDataset(samples * epochs, "dfew", FRAMES, SIZE)
    loader = DataLoader(dataset, batch_size=4, num_workers=os.cpu_count() or 1, persistent_workers=True)
    read_all(loader)  # the workers start
    return len(dataset) / timed(read_all, loader)[0]


def measure_augmentation(rounds: int, batch: int = 16) -> dict[str, Any]:
    """Return the speed of the official recipe's augmentation on a batch."""
    clips = torch.randint(0, 256, (batch, 3, FRAMES, SIZE, SIZE), dtype=torch.uint8)
    augment = ClipAugmentation(AugmentationConfig())
    augment(clips)
    times = [timed(augment, clips) for _ in range(rounds)]
    return {
        "batch": batch,
        "clips_per_cpu_second": round(batch / median(cpu for _, cpu in times), 1),
        "clips_per_second": round(batch / median(wall for wall, _ in times), 1),
    }


def timed(work: Callable[..., object], *given: object) -> tuple[float, float]:
    """Return (wall seconds, CPU seconds) of some work."""
    wall, cpu = time.perf_counter(), time.process_time()
    work(*given)
    return time.perf_counter() - wall, time.process_time() - cpu


def ratio(of_folders: list[tuple[float, float]], of_kind: list[tuple[float, float]], which: int) -> float:
    """Return the speed relative to the baseline: the median over rounds that measured both."""
    return round(median(a[which] / b[which] for a, b in zip(of_folders, of_kind, strict=True)), 2)


def read_all(clips: Iterable[object]) -> None:
    for _ in clips:
        pass


def files_of(paths: Iterable[Path]) -> list[Path]:
    return [file for path in paths for file in path.iterdir()]


def forget(file: Path) -> None:
    """Flush a file to disk and drop it from the page cache."""
    handle = os.open(file, os.O_RDONLY)
    os.fsync(handle)
    os.posix_fadvise(handle, 0, 0, os.POSIX_FADV_DONTNEED)
    os.close(handle)


if __name__ == "__main__":
    main()
