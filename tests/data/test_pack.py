import hashlib
import json
import pickle
import zipfile
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch

from ifdd.data.dataset import ClipDataset
from ifdd.data.manifest import Sample, read_manifest, write_manifest
from ifdd.data.packs import writer
from ifdd.data.packs.reader import Pack, verify_pack
from ifdd.data.packs.writer import write_pack
from ifdd.errors import InputError
from ifdd.video.frames import read_frames
from ifdd.video.images import image_files
from tests.helpers.videos import moving_frames, write_frame_folder, write_video


def folder_sample(root: Path, clip_id: str, count: int = 12, size: int = 32, suffix: str = ".jpg") -> Sample:
    frames = moving_frames(count, size, size, seed=len(clip_id) + count)
    return Sample(clip_id, write_frame_folder(root / clip_id, frames, suffix), count, "happy", "train")


@pytest.fixture
def samples(tmp_path: Path) -> list[Sample]:
    return [folder_sample(tmp_path / "source", name, count) for name, count in (("a", 12), ("Crime/Sad/7", 3))]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "frames.pack"


def test_jpeg_frames_are_stored_byte_by_byte_in_the_order_of_their_numbers(samples: list[Sample], path: Path) -> None:
    packed = write_pack(path, samples, size=32)
    assert packed == [replace(sample, path=path) for sample in samples]
    pack = Pack(path)
    for sample in samples:
        files = image_files(sample.path)
        assert [pack.read_bytes(sample.clip_id, index) for index in range(sample.frames)] == [
            file.read_bytes() for file in files
        ]
        assert np.array_equal(pack.read_frames(sample.clip_id), read_frames(sample.path))
    assert np.array_equal(pack.read_frames("a", [7, 0, 7]), read_frames(samples[0].path, [7, 0, 7]))
    assert [pack.frames(sample.clip_id) for sample in samples] == [12, 3]
    assert "a" in pack
    assert "b" not in pack


def test_any_zip_program_opens_a_pack(samples: list[Sample], path: Path) -> None:
    write_pack(path, samples)
    with zipfile.ZipFile(path / "00000.zip") as archive:
        assert archive.testzip() is None
        assert archive.namelist()[-1] == "Crime/Sad/7/00003.jpg"
        assert archive.read("a/00002.jpg") == image_files(samples[0].path)[1].read_bytes()
        data = b"".join(archive.read(name) for name in archive.namelist() if name.startswith("a/"))
    assert Pack(path).clip_hashes["a"] == hashlib.sha256(data).hexdigest()
    assert json.loads((path / "pack.json").read_text()) == {
        "format": "ifdd pack",
        "version": 1,
        "size": None,
        "quality": 95,
        "clips": 2,
        "frames": 15,
        "sha256": verify_pack(path),
        "shards": [{"file": "00000.zip", "bytes": (path / "00000.zip").stat().st_size}],
    }


def test_larger_frames_are_reduced_and_smaller_ones_kept(tmp_path: Path, path: Path) -> None:
    wide = moving_frames(2, 60, 100)
    samples = [
        Sample("wide", write_frame_folder(tmp_path / "wide", wide), 2, "happy", "test"),
        folder_sample(tmp_path, "small", 2, 20, ".png"),
    ]
    write_pack(path, samples, size=30, quality=90)
    pack = Pack(path)
    assert pack.read_frames("wide").shape == (2, 30, 50, 3), "nothing is cut off"
    expected = cv2.resize(wide[1], (50, 30), interpolation=cv2.INTER_AREA)
    assert np.abs(pack.read_frames("wide")[1].astype(int) - expected).mean() < 4
    assert pack.read_frames("small").shape == (2, 20, 20, 3)
    assert all(pack.read_bytes(sample.clip_id, 0).startswith(b"\xff\xd8") for sample in samples)


def test_frames_of_several_sizes_are_the_same_clip_from_a_pack(tmp_path: Path, path: Path) -> None:
    folder = write_frame_folder(tmp_path / "frames", moving_frames(2, 40, 64), ".png")
    higher = write_frame_folder(tmp_path / "higher", moving_frames(4, 60, 48), ".png")
    for number, file in enumerate(image_files(higher)[2:], start=3):
        file.rename(folder / f"{number}.png")
    sample = Sample("a", folder, 4, "happy", "test")
    packed = write_pack(path, [sample], quality=None)
    clips = [ClipDataset(each, "dfew", 4, 32, crops=2)[0][0] for each in ([sample], packed)]
    assert torch.equal(*clips)
    assert np.array_equal(Pack(path).read_frames("a"), read_frames(folder))


def test_uncompressed_frames_are_exact_and_videos_are_packed_too(tmp_path: Path, path: Path) -> None:
    video = write_video(tmp_path / "video.mp4", moving_frames(9))
    samples = [
        Sample("video", video, 9, "sad", "train"),
        folder_sample(tmp_path, "pictures", 4, 31, ".png"),
    ]
    write_pack(path, samples, quality=None)
    pack = Pack(path)
    for sample in samples:
        assert np.array_equal(pack.read_frames(sample.clip_id), read_frames(sample.path))
    image = cv2.imdecode(np.frombuffer(pack.read_bytes("pictures", 2), np.uint8), cv2.IMREAD_COLOR)
    assert image is not None
    assert np.array_equal(image[..., ::-1], read_frames(samples[1].path, [2])[0]), "other programs read it"


def test_a_clip_of_several_folds_is_stored_once_and_a_manifest_points_at_it(tmp_path: Path, path: Path) -> None:
    sample = folder_sample(tmp_path, "a")
    folds = [replace(sample, fold=fold, subset=subset) for fold, subset in ((1, "train"), (2, "test"))]
    packed = write_pack(path, folds)
    assert json.loads((path / "pack.json").read_text())["clips"] == 1
    write_manifest(tmp_path / "manifest.csv", packed)
    assert read_manifest(tmp_path / "manifest.csv") == packed
    other = folder_sample(tmp_path / "other", "a")
    with pytest.raises(InputError, match=r"clip 'a' is .* give different clips different ids"):
        write_pack(path, [sample, other])


@pytest.fixture
def small_shards(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(writer, "SHARD_FRAMES", 20)
    monkeypatch.setattr(writer, "BATCH_FRAMES", 10)


@pytest.mark.usefixtures("small_shards")
def test_several_processes_write_the_same_pack_as_one(tmp_path: Path, path: Path) -> None:
    samples = [folder_sample(tmp_path, f"clip{index}", 5 + index) for index in range(8)]
    counts: list[int] = []
    write_pack(path, samples, workers=2, advance=counts.append)
    assert sum(counts) == 8
    alone = tmp_path / "alone.pack"
    write_pack(alone, samples)
    assert [file.name for file in sorted(path.iterdir())] == [
        *(f"0000{shard}.{suffix}" for shard in range(3) for suffix in ("jsonl", "zip")),
        "pack.json",
    ]
    for file in path.iterdir():
        assert file.read_bytes() == (alone / file.name).read_bytes()
    pack = Pack(path)
    for sample in samples:
        assert np.array_equal(pack.read_frames(sample.clip_id), read_frames(sample.path))


@pytest.mark.usefixtures("small_shards")
def test_interrupted_writing_resumes(tmp_path: Path, path: Path) -> None:
    samples = [folder_sample(tmp_path, f"clip{index}", 12) for index in range(6)]
    image = image_files(samples[4].path)[3]
    whole = image.read_bytes()
    image.write_bytes(whole[:100])
    with pytest.raises(InputError, match=f"{image} is not a readable image"):
        write_pack(path, samples)
    assert sorted(file.name for file in path.iterdir()) == [
        "00000.jsonl",
        "00000.zip",
        "00001.jsonl",
        "00001.zip",
    ], "finished shards stay, the other leaves nothing"
    with pytest.raises(InputError, match="unfinished pack; create it again to resume"):
        Pack(path)
    image.write_bytes(whole)
    (path / ".partial-x.zip").write_bytes(b"of a run that was killed")
    before = (path / "00001.zip").stat().st_mtime_ns
    counts: list[int] = []
    write_pack(path, samples, advance=counts.append)
    assert counts == [4, 1, 1]
    assert (path / "00001.zip").stat().st_mtime_ns == before
    assert len(list(path.iterdir())) == 7
    verify_pack(path)
    counts.clear()
    write_pack(path, samples, advance=counts.append)
    assert counts == [6], "nothing is left to do"


def test_a_pack_of_other_clips_or_settings_is_never_overwritten(samples: list[Sample], path: Path) -> None:
    write_pack(path, samples)
    for others, quality in ((samples[:1], 95), (samples, 90)):
        with pytest.raises(InputError, match="of other clips or settings; remove it"):
            write_pack(path, others, quality=quality)
    (path.parent / "notes.pack").mkdir()
    (path.parent / "notes.pack" / "diary.txt").touch()
    with pytest.raises(InputError, match=r"contains diary\.txt, which is not part of a pack"):
        write_pack(path.parent / "notes.pack", samples)


@pytest.mark.usefixtures("small_shards")
def test_only_changed_or_damaged_shards_are_written_again(tmp_path: Path, path: Path) -> None:
    samples = [folder_sample(tmp_path, f"clip{index}", 12) for index in range(6)]
    write_pack(path, samples)
    whole = {file.name: file.read_bytes() for file in path.iterdir()}

    def rewritten() -> set[str]:
        before = {file: file.stat().st_mtime_ns for file in path.glob("*.zip")}
        write_pack(path, samples)
        verify_pack(path)
        return {file.name for file in path.glob("*.zip") if before.get(file) != file.stat().st_mtime_ns}

    assert rewritten() == set()
    damaged = path / "00001.zip"
    for data in (
        bytes(3000).join([whole[damaged.name][:2000], whole[damaged.name][5000:]]),  # frames
        whole[damaged.name][:-10],  # the zip file's directory
        b"",
    ):
        damaged.write_bytes(data)
        assert rewritten() == {damaged.name}
    damaged.unlink()
    assert rewritten() == {damaged.name}
    index = path / "00002.jsonl"
    for data in (b"", b"\xff\n", whole[index.name].replace(b"[", b"[1", 1), whole[index.name][:-300]):
        index.write_bytes(data)
        assert rewritten() == {"00002.zip"}
    (path / "pack.json").write_text("{")
    assert rewritten() == set()
    assert {file.name: file.read_bytes() for file in path.iterdir()} == whole

    other = moving_frames(12, 32, 32, seed=99)
    cv2.imwrite(str(samples[1].path / "3.jpg"), other[2])
    assert rewritten() == {"00000.zip"}
    assert np.array_equal(Pack(path).read_frames("clip1"), read_frames(samples[1].path))


def test_an_index_that_a_killed_run_left_unfinished_is_written_again(samples: list[Sample], path: Path) -> None:
    write_pack(path, samples)
    expected = Pack(path).sha256
    (path / "pack.json").unlink()
    (path / "00000.jsonl").rename(path / ".partial-0123456789abcdef.jsonl")
    write_pack(path, samples)
    assert Pack(path).sha256 == expected
    assert {file.name for file in path.iterdir()} == {"00000.jsonl", "00000.zip", "pack.json"}


@pytest.mark.usefixtures("small_shards")
def test_shortened_clips_leave_no_old_frames(tmp_path: Path, path: Path) -> None:
    samples = [folder_sample(tmp_path, f"clip{index}", 20) for index in range(3)]
    write_pack(path, samples)
    for sample in samples:
        for number in range(6, 21):
            (sample.path / f"{number}.jpg").unlink()
    shorter = [replace(sample, frames=5) for sample in samples]
    write_pack(path, shorter)
    assert {file.name for file in path.iterdir()} == {"00000.jsonl", "00000.zip", "pack.json"}
    assert Pack(path).frames("clip2") == 5
    verify_pack(path)


def test_an_outdated_pack_that_cannot_be_rewritten_is_not_read(samples: list[Sample], path: Path) -> None:
    write_pack(path, samples)
    image_files(samples[0].path)[3].write_bytes(b"no image")
    with pytest.raises(InputError, match="is not a readable image"):
        write_pack(path, samples)
    with pytest.raises(InputError, match="unfinished pack"):
        Pack(path)


@pytest.mark.parametrize("clip_id", ["../a", "/etc/a", "a/../../b", "..", "a//b", r"..\a", ""])
def test_clip_ids_that_lead_outside_the_pack_are_refused(samples: list[Sample], path: Path, clip_id: str) -> None:
    with pytest.raises(InputError, match=r"is not a valid folder name in a zip file; rename the clip"):
        write_pack(path, [replace(samples[0], clip_id=clip_id)])
    assert not path.exists()


def test_damage_is_found_and_named(samples: list[Sample], path: Path) -> None:
    write_pack(path, samples)
    assert verify_pack(path) == Pack(path).sha256
    file = path / "00000.zip"
    data = bytearray(file.read_bytes())
    place = data.index(image_files(samples[1].path)[1].read_bytes()) + 200
    data[place] ^= 1
    file.write_bytes(data)
    with pytest.raises(InputError, match=r"1 of 2 clips are damaged: Crime/Sad/7; copy the pack again"):
        verify_pack(path)
    pack = Pack(path)
    file.write_bytes(data[:300])
    with pytest.raises(InputError, match=r"00000\.zip is truncated"):
        pack.read_frames("a")
    with pytest.raises(InputError, match=r"00000\.zip has 300 bytes; expected \d+"):
        Pack(path)
    file.unlink()
    with pytest.raises(InputError, match=r"00000\.zip has no bytes"):
        Pack(path)


def test_a_changed_index_is_found(samples: list[Sample], path: Path) -> None:
    write_pack(path, samples)
    index = path / "00000.jsonl"
    lines = index.read_text().splitlines()
    index.write_text("\n".join(lines[:-1]) + "\n")
    with pytest.raises(InputError, match=r"do not match pack\.json"):
        verify_pack(path)
    for damaged in ("{", "{}", "7", lines[1].replace("[", "[5, ", 1)):
        index.write_text(f"{lines[0]}\n{damaged}\n")
        with pytest.raises(InputError, match=r"00000\.jsonl is damaged"):
            Pack(path)
    description = path / "pack.json"
    later = json.loads(description.read_text()) | {"version": 2}
    description.write_text(json.dumps(later))
    with pytest.raises(InputError, match="not a pack of version 1"):
        Pack(path)
    for damaged in ("{}", "[]", json.dumps(later | {"version": 1, "shards": [{"file": "../00000.zip"}]})):
        description.write_text(damaged)
        with pytest.raises(InputError, match=r"pack\.json is damaged"):
            Pack(path)


def test_missing_clips_and_frames_are_named(samples: list[Sample], path: Path) -> None:
    write_pack(path, samples)
    pack = Pack(path)
    with pytest.raises(InputError, match=r"frames\.pack holds no clip 'b'"):
        pack.read_frames("b")
    with pytest.raises(InputError, match=r"clip 'a', has 12 frames; frame 12 does not exist: correct"):
        pack.read_frames("a", [3, 12])
    with pytest.raises(InputError, match=r"missing\.pack does not exist"):
        Pack(path.parent / "missing.pack")


def test_an_open_pack_can_be_pickled(samples: list[Sample], path: Path) -> None:
    write_pack(path, samples)
    pack = Pack(path)
    expected = pack.read_frames("a")
    assert np.array_equal(pickle.loads(pickle.dumps(pack)).read_frames("a"), expected)


def test_inconsistent_clips_are_refused(tmp_path: Path, path: Path) -> None:
    sample = folder_sample(tmp_path, "a")
    with pytest.raises(InputError, match=r"has 12 frames, but the sample of clip 'a' says 13"):
        write_pack(path, [replace(sample, frames=13)])
    cv2.imwrite(str(sample.path / "5.jpg"), np.zeros((40, 32, 3), np.uint8))
    write_pack(path, [sample])  # each frame in its own size
    assert [image.shape for image in Pack(path).read_images("a", [3, 4])] == [(32, 32, 3), (40, 32, 3)]
    assert np.array_equal(Pack(path).read_frames("a"), read_frames(sample.path))
    with pytest.raises(InputError, match="clip 'a' has 12 frames in one sample and 11 in another"):
        write_pack(path, [sample, replace(sample, fold=1, frames=11)])
    with pytest.raises(InputError, match="is in the pack"):
        write_pack(path, [replace(sample, path=path)])
    with pytest.raises(InputError, match="no clips to pack"):
        write_pack(path, [])


@pytest.mark.parametrize(
    ("name", "options", "message"),
    [
        ("frames", {}, r"choose one that ends in \.pack"),
        ("a.pack", {"size": 0}, "size of the pack's frames is 0"),
        ("a.pack", {"quality": 0}, "JPEG quality of the pack is 0; it must be at least 1 and at most 100"),
        ("a.pack", {"workers": 0}, "workers is 0"),
    ],
)
def test_invalid_settings_are_refused(
    samples: list[Sample], tmp_path: Path, name: str, options: dict[str, int], message: str
) -> None:
    with pytest.raises(InputError, match=message):
        write_pack(tmp_path / name, samples, **options)  # type: ignore[arg-type]


def test_a_name_that_is_not_utf8_is_refused(tmp_path: Path) -> None:
    clip = Sample("caf\udce9", write_frame_folder(tmp_path / "clip", moving_frames(3)), 3, "happy", "test")
    with pytest.raises(InputError, match="is not UTF-8, which a pack needs; rename the clip"):
        write_pack(tmp_path / "a.pack", [clip])
