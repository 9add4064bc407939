"""``ifdd prepare`` on the full lists of DFEW, FERV39k, MAFW and CREMA-D, with generated frames.

The lists are the official ones. Frames are generated for every listed clip: hard links to a JPEG of 224 x 224 pixels,
with the dataset's average number of frames per clip; for CREMA-D, to a Flash video of 60 frames. Each tree is built in
a temporary folder, prepared (decoding the first frame of each clip, without cropping faces, as there are none), and
removed.

    python benchmarks/prepare.py FOLDER_WITH_THE_LISTS

FOLDER contains DFEW/EmoLabel_DataSplit, FERV39k/4_setups, MAFW/Train & Test Set and CREMA-D/processedResults with
CREMA-D/VideoFlash.txt, the names of its videos. Writes results/prepare_dfew.json and so on (--only cremad writes one):
the output of ``prepare`` with long lists of findings shortened, and the time it took.
"""

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from ifdd.data.datasets.dfew import read_dfew
from ifdd.data.datasets.ferv39k import read_ferv39k
from ifdd.data.datasets.listing import Listing, Options
from ifdd.data.datasets.mafw import read_mafw
from ifdd.video.encode import write_video

READERS: dict[str, tuple[str, str, Callable[[Path, Options], Listing], tuple[int, int]]] = {
    "dfew": ("DFEW", "Clip/clip_224x224_16f", read_dfew, (16, 16)),
    "ferv39k": ("FERV39k", "2_ClipsforFaceCrop", read_ferv39k, (8, 47)),
    "mafw": ("MAFW", "frames", read_mafw, (9, 201)),
}
"""Dataset -> folder, folder of its frames, reader, least and most frames of a clip."""

DATASETS = (*READERS, "cremad")
CREMAD = "CREMA-D"
VIDEO_FRAMES = 60
"""Frames of the video that stands for each of CREMA-D's."""

LINKS = 60_000
"""Links to one file; file systems allow 65,000."""

KEPT = 5
"""Findings of a check that the result file keeps."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("lists", type=Path, help="folder with the lists of the datasets")
    parser.add_argument("--only", choices=DATASETS, action="append", help="dataset; default: all")
    parser.add_argument("--out", type=Path, default=Path("results"))
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    for dataset in options.only or DATASETS:
        with tempfile.TemporaryDirectory() as folder:
            record = measure(dataset, options.lists, Path(folder))
        target = options.out / f"prepare_{dataset}.json"
        target.write_text(json.dumps(record, indent=2) + "\n", encoding="utf-8")
        print(f"{target}: {record['clips']} clips in {record['benchmark']['seconds']} s\n")


def measure(dataset: str, lists: Path, folder: Path) -> dict[str, Any]:
    """Build one tree, prepare it, and return the record that ``prepare`` wrote."""
    name = CREMAD if dataset == "cremad" else READERS[dataset][0]
    shutil.copytree(lists / name, folder / name, copy_function=shutil.copyfile)
    (folder / name).chmod(0o755)  # also if the lists are read-only
    files = make_videos(folder / name) if dataset == "cremad" else make_frames(folder / name, *READERS[dataset][1:])
    start = time.perf_counter()
    command = [sys.executable, "-m", "ifdd", "prepare", dataset, name, "out", "--faces", "keep"]
    subprocess.run(command, cwd=folder, check=True, env=os.environ | {"COLUMNS": "120"})
    seconds = time.perf_counter() - start
    record: dict[str, Any] = json.loads((folder / "out" / "prepare.json").read_text(encoding="utf-8"))
    for check in record["checks"]:
        check["found"] = len(check["findings"])
        check["findings"] = check["findings"][:KEPT]
    return {"benchmark": {"seconds": round(seconds, 1), "frames": files, "cores": os.cpu_count()}, **record}


def make_videos(root: Path) -> int:
    """Give CREMA-D all its videos; return the number of frames."""
    video, names = root.parent / "clip.flv", (root / "VideoFlash.txt").read_text(encoding="utf-8").split()
    picture = cv2.imread(str(next(images(root.parent))))
    assert picture is not None
    write_video(video, [picture] * VIDEO_FRAMES, 30.0)
    (root / "VideoFlash").mkdir()
    for name in names:
        os.link(video, root / "VideoFlash" / name)
    return VIDEO_FRAMES * len(names)


def make_frames(root: Path, frames: str, reader: Callable[[Path, Options], Listing], lengths: tuple[int, int]) -> int:
    """Give every listed clip a folder of numbered images; return the number of images."""
    (root / frames / "00000").mkdir(parents=True)  # a reader wants to see that there are frames
    sources = sorted({entry.source for entry in reader(root, Options()).entries})
    (root / frames / "00000").rmdir()
    count = np.random.default_rng(0).integers(lengths[0], lengths[1], len(sources), endpoint=True)
    originals = images(root.parent)
    for source, number in zip(sources, count.tolist(), strict=True):
        source.mkdir(parents=True)
        for index in range(number):
            os.link(next(originals), source / f"{index + 1:05d}.jpg")
    return int(count.sum())


def images(folder: Path) -> Iterator[Path]:
    """Yield the path of an image repeatedly, switching to a new copy before a file has too many links."""
    noise = np.random.default_rng(0).integers(0, 256, (14, 14, 3), dtype=np.uint8)
    picture = cv2.resize(noise, (224, 224), interpolation=cv2.INTER_CUBIC)
    for copy in range(1_000):
        path = folder / f"frame_{copy}.jpg"
        cv2.imwrite(str(path), picture)
        for _ in range(LINKS):
            yield path


if __name__ == "__main__":
    main()
