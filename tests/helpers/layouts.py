"""Writers of tiny datasets in the official layouts, with their traps as options."""

import tempfile
from collections.abc import Callable, Sequence
from functools import cache
from pathlib import Path

import cv2
import numpy as np

from ifdd.data.labels import LABEL_SETS
from tests.helpers.videos import moving_frames, write_video

FOLDS = (1, 2, 3, 4, 5)
Member = tuple[str, str, int]
"""Clip ID as in the lists, class, and fold whose test subset has the clip."""

DFEW_MEMBERS = [(str(2 * i + 1), LABEL_SETS["dfew"][i % 7], i % 5 + 1) for i in range(10)]
MAFW_MEMBERS = [(f"{3 * i + 19:05d}", LABEL_SETS["mafw"][i % 11], i % 5 + 1) for i in range(11)]
COMPOUND_MEMBERS = [(f"{3 * i + 19:05d}", LABEL_SETS["mafw_compound"][5 + i], i % 5 + 1) for i in range(10)]
FERV39K_MEMBERS = {
    "train": ["Crime/Angry/0001", "Crime/Happy/0001", "DailyLife/Sad/0002"],
    "test": ["Crime/Angry/0002", "DailyLife/Surprise/0001"],
}


def write_dfew(
    root: Path,
    *,
    variant: str = "Clip/clip_224x224_16f",
    lists: str = "EmoLabel_DataSplit/{subset}(single-labeled)/set_{fold}.csv",
    first_label: int = 1,
    padded: bool = False,
    header: bool = True,
    encode: Callable[[str], bytes] = str.encode,
    annotation: bool = True,
    frames: int = 16,
    synthetic: bool = True,
) -> Path:
    """Write DFEW with ten clips; the ids have gaps, and folder 16372 belongs to no list.

    Args:
        root: the folder to write to.
        variant: the folder of the frames; of videos if it ends in "original".
        lists: path of a list.
        first_label: 0 makes the lists that somebody re-published.
        padded: ids as 00001.
        header: the first line of a list.
        encode: makes the bytes of a list.
        annotation: write the votes.
        frames: of a clip.
        synthetic: mark the tree as SynthDFER's, whose counts are not the published ones.
    """
    for clip_id in [*(member[0] for member in DFEW_MEMBERS), "16372"]:
        name = clip_id if variant.endswith("original") else clip_id.zfill(5)
        write_clip(root / variant / name, frames, video=variant.endswith("original"))
    for fold in FOLDS:
        for subset, members in _parts(DFEW_MEMBERS, fold):
            lines = ["video_name,label"] if header else []
            for clip_id, label, _ in members:
                number = LABEL_SETS["dfew"].index(label) + first_label
                lines.append(f"{clip_id.zfill(5) if padded else clip_id},{number}")
            write_list(root / lists.format(subset=subset, fold=fold), lines, encode)
    if annotation:
        lines = ["1happy,2sad,3neutral,4angry,5surprise,6disgust,7fear,order,label", "0,0,5,5,0,0,0,16372,0"]
        for clip_id, label, _ in DFEW_MEMBERS:
            winner = LABEL_SETS["dfew"].index(label)
            votes = [8 if place == winner else 2 * (place == (winner + 1) % 7) for place in range(7)]
            lines.append(",".join(map(str, [*votes, clip_id, winner + 1])))
        write_list(root / "Annotation/annotation.csv", lines)
    return _marked(root, synthetic)


def write_ferv39k(
    root: Path,
    *,
    frames_folder: str = "2_ClipsforFaceCrop",
    lists: str = "4_setups/All_scenes/{subset}_All.csv",
    encode: Callable[[str], bytes] = str.encode,
    frames: int = 20,
    synthetic: bool = True,
) -> Path:
    """Write FERV39k with five clips of two scenes; two of them have the number 0001 in one scene."""
    for subset, members in FERV39K_MEMBERS.items():
        for clip_id in members:
            write_clip(root / frames_folder / clip_id, frames)
        write_list(root / lists.format(subset=subset), [f"{c} {c.split('/')[1]}" for c in members], encode)
    return _marked(root, synthetic)


def write_mafw(
    root: Path,
    *,
    variant: str = "clips",
    lists: str = "Train & Test Set/{kind}/{captions}/set_{fold}/{subset}.txt",
    kinds: Sequence[str] = ("single", "compound"),
    captions: Sequence[str] = ("no_caption", "with_caption"),
    line_end: str = "\r\n",
    frames: int = 18,
    synthetic: bool = True,
) -> Path:
    """Write MAFW with eleven clips; the lists lack a final newline, those with captions are in GBK."""
    for clip_id, _, _ in MAFW_MEMBERS:
        write_clip(root / variant / clip_id, frames, ".png", video=variant == "clips")
    for kind in kinds:
        for fold in FOLDS:
            for subset, members in _parts(MAFW_MEMBERS if kind == "single" else COMPOUND_MEMBERS, fold):
                for name in captions:
                    caption = name == "with_caption"
                    lines = [_mafw_line(m, caption) for m in members if not (caption and m[1] == "neutral")]
                    path = root / lists.format(kind=kind, captions=name, fold=fold, subset=subset)
                    path.parent.mkdir(parents=True, exist_ok=True)
                    path.write_bytes(line_end.join(lines).encode("gbk" if caption else "ascii"))
    return _marked(root, synthetic)


CREMAD_ACTORS = {1001: "Male", 1002: "Female", 1003: "Female", 1004: "Female", 1005: "Male", 1006: "Male"}
CREMAD_CODES = {"ANG": 0, "DIS": 1, "FEA": 2, "HAP": 3, "NEU": 4, "SAD": 5}
"""Code of an emotion -> place among the columns of the votes."""
CREMAD_CLIPS = [f"{actor}_IEO_{code}_XX" for actor in CREMAD_ACTORS for code in CREMAD_CODES]
LFS_POINTER = f"version https://git-lfs.github.com/spec/v1\noid sha256:{'0' * 64}\nsize 812345\n"


def write_cremad(
    root: Path,
    *,
    faces: dict[str, tuple[int, ...]] | None = None,
    votes: bool = True,
    video: bool = True,
    frames: int = 18,
    synthetic: bool = False,
) -> Path:
    """Write CREMA-D with 36 clips of six actors; the table has all 91, the others behind these in the deal to folds.

    Args:
        root: the folder to write to.
        faces: clip -> its votes for ANG, DIS, FEA, HAP, NEU, SAD on the face alone; the other clips get eight votes
            for what the actor meant and one for the next emotion.
        votes: write the file of votes.
        video: write videos, not empty files of Git LFS.
        frames: of a clip.
        synthetic: mark the tree as SynthDFER's.
    """
    folder = root / "VideoFlash"
    folder.mkdir(parents=True)
    for clip_id in CREMAD_CLIPS:
        path = folder / f"{clip_id}.flv"
        path.write_bytes(_video(frames, ".flv")) if video else path.write_text(LFS_POINTER)
    sexes = dict.fromkeys(range(1001, 1092), "Male") | CREMAD_ACTORS
    actors = [f'{actor},{20 + actor % 50},"{sex}","Asian","Not Hispanic"' for actor, sex in sexes.items()]
    write_list(root / "VideoDemographics.csv", ['"ActorID","Age","Sex","Race","Ethnicity"', *actors])
    if votes:
        lines = ['"","A","D","F","H","N","S","fileName","numResponses"']
        for kind in (1, 2, 3):
            for number, clip_id in enumerate(CREMAD_CLIPS, start=1):
                place = CREMAD_CODES[clip_id.split("_")[2]]
                counts = [8 if at == place else int(at == (place + 1) % 6) for at in range(6)]
                if kind == 2 and clip_id in (faces or {}):
                    counts = list((faces or {})[clip_id])
                if kind != 2:
                    counts = [0, 0, 9, 0, 0, 0]  # only the votes on the face count
                row = ",".join(map(str, counts))
                lines.append(f'"{100_000 * kind + number}",{row},"{clip_id}",{sum(counts)}')
        write_list(root / "processedResults/tabulatedVotes.csv", lines)
    return _marked(root, synthetic)


def write_ravdess(root: Path, names: Sequence[str], *, folder: str = "Actor_{actor}", synthetic: bool = True) -> Path:
    """Write videos of RAVDESS named like "02-01-03-02-01-01-07"."""
    for name in names:
        path = root / folder.format(actor=name[-2:]) / f"{name}.mp4"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(_video(18))
    return _marked(root, synthetic)


def write_list(path: Path, lines: Sequence[str], encode: Callable[[str], bytes] = str.encode) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(encode("".join(f"{line}\n" for line in lines)))


def write_clip(path: Path, frames: int, suffix: str = ".jpg", video: bool = False) -> None:
    """Write a folder of images numbered without padding, or a video (the suffix .mp4 is added)."""
    if video:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.with_name(f"{path.name}.mp4").write_bytes(_video(frames))
        return
    path.mkdir(parents=True)
    for index in range(frames):
        (path / f"{index + 1}{suffix}").write_bytes(_image(suffix))


def edit(file: Path, old: str, new: str) -> None:
    """Replace a text that occurs once in a list."""
    text = file.read_bytes().decode()
    assert text.count(old) == 1, f"{old!r} occurs {text.count(old)} times in {file}"
    file.write_bytes(text.replace(old, new).encode())


def _parts(members: Sequence[Member], fold: int) -> list[tuple[str, list[Member]]]:
    return [
        ("train", [member for member in members if member[2] != fold]),
        ("test", [member for member in members if member[2] == fold]),
    ]


def _mafw_line(member: Member, caption: bool) -> str:
    clip_id, label, _ = member
    return (
        f"{clip_id}.mp4\t{label}\t一位女士说着话。\tA lady speaks, one brow raised."
        if caption
        else f"{clip_id}.mp4 {label}"
    )


def _marked(root: Path, synthetic: bool) -> Path:
    if synthetic:
        (root / "synth.json").write_text("{}\n")
    return root


@cache
def _image(suffix: str) -> bytes:
    done, data = cv2.imencode(suffix, np.full((8, 8, 3), 120, np.uint8))
    assert done
    return data.tobytes()


@cache
def _video(frames: int, suffix: str = ".mp4") -> bytes:
    with tempfile.TemporaryDirectory() as folder:
        return write_video(Path(folder) / f"clip{suffix}", moving_frames(frames, 32, 32)).read_bytes()
