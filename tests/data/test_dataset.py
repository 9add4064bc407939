from dataclasses import replace
from pathlib import Path
from typing import Literal

import cv2
import numpy as np
import pytest
import torch
from torch.utils.data import DataLoader

from ifdd.data.dataset import ClipDataset, collate_views, fit_frames, plain_input_error
from ifdd.data.manifest import Sample, read_manifest
from ifdd.data.packs.writer import write_pack
from ifdd.errors import InputError
from tests.helpers.videos import frame_number, moving_frames, write_clip_manifest, write_frame_folder, write_video


@pytest.fixture
def samples(tmp_path: Path) -> list[Sample]:
    return read_manifest(write_clip_manifest(tmp_path, ["happy", "fear", "anger", "sad"], count=30))


def numbers(clip: torch.Tensor) -> list[int]:
    """Return the frame numbers that a (3, T, H, W) clip shows."""
    return [frame_number(image) for image in clip.permute(1, 2, 3, 0).numpy()]


@pytest.mark.parametrize("cache", [False, True])
def test_a_clip_holds_the_frames_of_the_sampler_and_its_class(samples: list[Sample], cache: bool) -> None:
    dataset = ClipDataset(samples, "ferv39k", 8, 32, cache=cache)
    for _ in range(2):
        clip, target = dataset[1]
        assert (clip.dtype, clip.shape, target) == (torch.uint8, (3, 8, 32, 32), 2)
        assert numbers(clip) == [1, 5, 9, 13, 16, 20, 24, 28] == dataset.frame_indices(1).tolist()
    assert dataset.targets == [3, 2, 0, 5]
    assert np.array_equal(clip.permute(1, 2, 3, 0).numpy()[0], moving_frames(30, 32, 32, seed=1)[1])


def test_several_views_have_a_separate_axis(samples: list[Sample]) -> None:
    clip, _ = ClipDataset(samples, "dfew", 8, 16, sampling="consecutive_clips")[0]
    assert clip.shape == (3, 3, 8, 16, 16)
    assert [numbers(view)[0] for view in clip] == [0, 8, 16]


@pytest.mark.parametrize("cache", [False, True])
def test_crops_of_spaced_views_are_consecutive(tmp_path: Path, cache: bool) -> None:
    frames = moving_frames(30, 32, 80)
    frames[:, :, 40:, 2] = 255
    sample = Sample("wide", write_frame_folder(tmp_path / "wide", frames), 30, "happy", "test")
    options = {"sampling": "spaced_clips", "stride": 2, "views": 2, "cache": cache}
    clip, _ = ClipDataset([sample], "dfew", 4, 32, crops=2, **options)[0]  # type: ignore[arg-type]
    assert clip.shape == (4, 3, 4, 32, 32)
    assert [int(view[2].float().mean() > 250) for view in clip] == [0, 1, 0, 1], "both ends of the longer side"
    for view, starts in ((0, 0), (2, 23)):
        shown = frames[starts : starts + 7 : 2, :, :32]
        assert np.array_equal(clip[view].permute(1, 2, 3, 0).numpy(), shown)
    centre, _ = ClipDataset([sample], "dfew", 4, 32, **options)[0]  # type: ignore[arg-type]
    assert np.array_equal(centre[0].permute(1, 2, 3, 0).numpy(), frames[0:7:2, :, 24:56])
    several, _ = ClipDataset([sample], "dfew", 4, 32, crops=3, cache=cache)[0]
    assert several.shape == (3, 3, 4, 32, 32), "crops of one temporal view"


def test_square_frames_have_one_crop(samples: list[Sample]) -> None:
    assert ClipDataset(samples, "dfew", 4, 32, crops=3)[0][0].shape == (1, 3, 4, 32, 32)


def test_changing_a_clip_does_not_change_the_cache(samples: list[Sample]) -> None:
    dataset = ClipDataset(samples, "dfew", 30, 32, cache=True)
    before = dataset[0][0].clone()
    dataset[0][0].fill_(0)
    assert torch.equal(dataset[0][0], before)


@pytest.mark.parametrize("method", ["fork", "spawn"])
def test_workers_read_the_same_from_a_pack_as_from_folders(
    samples: list[Sample], tmp_path: Path, method: Literal["fork", "spawn"]
) -> None:
    packed = write_pack(tmp_path / "frames.pack", samples, quality=None)
    folders, pack = (ClipDataset(which, "dfew", 8, 24, sampling="random_clip") for which in (samples, packed))
    assert torch.equal(pack[0][0], folders[0][0]), "opened before the workers start"
    loader = DataLoader(pack, num_workers=2, multiprocessing_context=method)
    for index, (clip, target) in enumerate(loader):
        assert torch.equal(clip[0], folders[index][0])
        assert int(target) == folders.targets[index]


def test_a_pack_without_the_clips_of_the_manifest_is_refused_at_once(samples: list[Sample], tmp_path: Path) -> None:
    packed = write_pack(tmp_path / "frames.pack", samples[:2])
    assert len(ClipDataset(packed, "dfew")) == 2
    with pytest.raises(InputError, match=r"frames\.pack has 30 frames of clip 'test_0', the manifest says 31"):
        ClipDataset([replace(packed[0], frames=31)], "dfew")
    with pytest.raises(InputError, match=r"frames\.pack holds no clip 'other'"):
        ClipDataset([replace(packed[0], clip_id="other")], "dfew")


def test_samples_with_different_numbers_of_views_make_one_batch() -> None:
    several = torch.arange(3 * 3 * 2 * 4 * 4, dtype=torch.uint8).view(3, 3, 2, 4, 4)
    batch = collate_views([(several, 5), (several[1], 0), (several[1:], 2)])
    assert batch.views.shape == (6, 3, 2, 4, 4)
    assert batch.owners.tolist() == [0, 0, 0, 1, 2, 2]
    assert batch.targets.tolist() == [5, 0, 2]
    assert torch.equal(batch.views[3], batch.views[4])


@pytest.mark.parametrize("workers", [0, 2])
def test_training_draws_depend_on_seed_epoch_and_index_alone(samples: list[Sample], workers: int) -> None:
    dataset = ClipDataset(samples, "dfew", 4, 32, sampling="random_clip", stride=2, training=True, seed=3)
    loader = DataLoader(dataset, batch_size=4, num_workers=workers, persistent_workers=workers > 0)
    drawn = []
    for epoch in range(4):
        dataset.set_epoch(epoch)
        clips, _ = next(iter(loader))
        expected = [dataset.frame_indices(index).tolist() for index in range(4)]
        assert [numbers(clip) for clip in clips] == expected
        drawn.append(expected)
    assert len({str(epoch) for epoch in drawn}) == 4, "every epoch draws anew"
    assert len({str(clip) for clip in drawn[0]}) > 1, "every sample draws its own"
    dataset.set_epoch(0)
    assert [dataset.frame_indices(index).tolist() for index in range(4)] == drawn[0]
    other_seed = ClipDataset(samples, "dfew", 4, 32, sampling="random_clip", stride=2, training=True, seed=4)
    assert [other_seed.frame_indices(index).tolist() for index in range(4)] != drawn[0]


def test_the_cache_is_filled_once_and_used(samples: list[Sample]) -> None:
    dataset = ClipDataset(samples, "dfew", 8, 24, cache=True)
    steps: list[int] = []
    dataset.preload(lambda: steps.append(1))
    assert len(steps) == 4
    before = dataset[2][0]
    for image in samples[2].path.iterdir():
        image.unlink()
    assert torch.equal(dataset[2][0], before)
    with pytest.raises(InputError, match="holds no frames"):
        ClipDataset(samples, "dfew", 8, 24)[2]


def test_frames_are_fitted_without_distortion() -> None:
    image = np.zeros((40, 80, 3), np.uint8)
    cv2.circle(image, (40, 20), 15, (255, 255, 255), -1)
    for size in (20, 40, 100):
        fitted = fit_frames(image[None], size)[0, 0, :, :, 0] > 127
        assert fitted.shape == (size, size)
        extent = [int(fitted.any(axis=axis).sum()) for axis in (0, 1)]
        assert abs(extent[0] - extent[1]) <= 1, "a circle stays a circle"
        assert extent[0] == pytest.approx(31 * size / 40, abs=2)


def test_shrinking_averages_areas() -> None:
    stripes = np.zeros((1, 64, 64, 3), np.uint8)
    stripes[:, :, ::2] = 200
    assert np.unique(fit_frames(stripes, 16)).tolist() == [100]


def test_square_frames_of_the_right_size_are_unchanged() -> None:
    frames = moving_frames(2, 32, 32)
    assert np.shares_memory(fit_frames(frames, 32), frames)


def test_invalid_arguments_are_refused(samples: list[Sample]) -> None:
    with pytest.raises(InputError, match="unknown sampling 'all'; choose one of random_clip"):
        ClipDataset(samples, "dfew", sampling="all")
    with pytest.raises(InputError, match="several views"):
        ClipDataset(samples, "dfew", sampling="consecutive_clips", training=True)
    with pytest.raises(InputError, match="several views"):
        ClipDataset(samples, "dfew", crops=3, training=True)
    with pytest.raises(InputError, match="views is 0; it must be at least 1"):
        ClipDataset(samples, "dfew", views=0)
    with pytest.raises(InputError, match="crops is 4; it must be at least 1 and at most 3"):
        ClipDataset(samples, "dfew", crops=4)
    with pytest.raises(InputError, match="no clips"):
        ClipDataset([], "dfew")
    with pytest.raises(InputError, match="no class for the labels anger, fear"):
        ClipDataset(samples, ["happy", "sad", "angry"])


@pytest.mark.parametrize(("workers", "cache"), [(0, False), (0, True), (1, False)])
def test_a_video_shorter_than_its_manifest_says_is_named_in_one_line(tmp_path: Path, workers: int, cache: bool) -> None:
    path = write_video(tmp_path / "short.mp4", moving_frames(10))
    dataset = ClipDataset([Sample("a", path, 40, "happy", "test")], "dfew", 4, 32, cache=cache)
    with pytest.raises(InputError) as caught:
        next(iter(DataLoader(dataset, num_workers=workers)))
    message = str(plain_input_error(caught.value))
    assert message.startswith(f"{path} has 10 frames")
    assert "\n" not in message
