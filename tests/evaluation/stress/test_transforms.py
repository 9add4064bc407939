"""Every change does what it says, on clips with known answers."""

import cv2
import numpy as np
import pytest

from ifdd.errors import InputError
from ifdd.evaluation.stress.transforms import (
    GREY,
    STRESSES,
    Condition,
    apply_stress,
    chosen_stresses,
    conditions_of,
    shuffled_order,
)


def numbered(count: int = 8, side: int = 16) -> np.ndarray:
    """Return a clip whose frame i has the grey level 10 i + 20 throughout."""
    levels = np.arange(count, dtype=np.uint8) * 10 + 20
    return np.broadcast_to(levels[None, :, None, None], (3, count, side, side)).copy()


def textured(count: int = 4, side: int = 32, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(60, 190, (3, count, side, side)).astype(np.uint8)


def changed(clip: np.ndarray, name: str, strength: float, clip_id: str = "a", view: int = 0) -> np.ndarray:
    return apply_stress(clip, Condition(name, strength), clip_id, view)


def shown(clip: np.ndarray) -> list[int]:
    """Return the numbers of the frames of ``numbered`` in a clip."""
    return [int(level) // 10 - 2 for level in clip[0, :, 0, 0]]


@pytest.mark.parametrize("condition", list(conditions_of(STRESSES)), ids=str)
def test_a_change_keeps_the_form_changes_something_and_can_be_repeated(condition: Condition) -> None:
    clip = textured(16)
    before = clip.copy()
    first = apply_stress(clip, condition, "smile")
    assert first.shape == clip.shape
    assert first.dtype == np.uint8
    assert np.array_equal(clip, before), "the clip itself must not change"
    assert not np.array_equal(first, clip)
    assert np.array_equal(first, apply_stress(clip, condition, "smile"))


@pytest.mark.parametrize("name", ["shuffle", "drop", "noisy_frames", "noise", "occlusion"])
def test_random_changes_depend_on_clip_view_and_seed(name: str) -> None:
    clip, condition = textured(16), Condition(name, 0.5 if name != "noise" else 10.0)
    versions = [
        apply_stress(clip, condition, "a"),
        apply_stress(clip, condition, "b"),
        apply_stress(clip, condition, "a", view=1),
        apply_stress(clip, condition, "a", seed=1),
    ]
    assert len({version.tobytes() for version in versions}) == 4


def test_reversal_twice_is_the_clip() -> None:
    clip = textured()
    once = changed(clip, "reversal", 1.0)
    assert shown(changed(numbered(), "reversal", 1.0)) == [7, 6, 5, 4, 3, 2, 1, 0]
    assert np.array_equal(changed(once, "reversal", 1.0), clip)


@pytest.mark.parametrize(
    ("name", "share", "frames"),
    [
        ("freeze_first", 0.5, [0, 1, 2, 3, 3, 3, 3, 3]),
        ("freeze_first", 0.75, [0, 1, 1, 1, 1, 1, 1, 1]),
        ("freeze_first", 1.0, [0] * 8),
        ("freeze_middle", 0.5, [0, 1, 4, 4, 4, 4, 6, 7]),
        ("freeze_middle", 1.0, [4] * 8),
    ],
)
def test_frozen_frames_are_one_frame(name: str, share: float, frames: list[int]) -> None:
    assert shown(changed(numbered(), name, share)) == frames


@pytest.mark.parametrize("name", [name for name, stress in STRESSES.items() if stress.temporal])
def test_changes_of_time_make_no_new_frames(name: str) -> None:
    clip = textured(16)
    frames = {frame.tobytes() for frame in clip.swapaxes(0, 1)}
    for condition in conditions_of([name]):
        assert {frame.tobytes() for frame in apply_stress(clip, condition, "a").swapaxes(0, 1)} <= frames


@pytest.mark.parametrize(("share", "width"), [(0.125, 2), (0.25, 4), (0.5, 8), (1.0, 16)])
def test_shuffling_permutes_within_windows(share: float, width: int) -> None:
    found = shown(changed(numbered(16), "shuffle", share))
    for first in range(0, 16, width):
        window = found[first : first + width]
        assert sorted(window) == list(range(first, first + width))
        assert window != sorted(window)


def test_a_shuffle_of_two_frames_swaps_them_and_one_is_left_alone() -> None:
    rng = np.random.default_rng(0)
    assert shuffled_order(2, 1.0, rng).tolist() == [1, 0]
    assert shuffled_order(3, 0.1, rng).tolist() == [1, 0, 2]


@pytest.mark.parametrize(("share", "dropped"), [(0.25, 4), (0.5, 8), (0.75, 11)])
def test_dropped_frames_repeat_the_kept_one_before_them(share: float, dropped: int) -> None:
    found = shown(changed(numbered(16), "drop", share))
    assert len(found) == 16
    assert found[0] == 0
    kept = [place for place, number in enumerate(found) if number == place]
    assert len(kept) == 16 - dropped
    assert found == [max(number for number in kept if number <= place) for place in range(16)]


def test_a_stronger_drop_also_drops_what_a_weaker_one_does() -> None:
    weak, strong = (shown(changed(numbered(16), "drop", share)) for share in (0.25, 0.75))
    lost = [{place for place, number in enumerate(found) if number != place} for found in (weak, strong)]
    assert lost[0] < lost[1]


@pytest.mark.parametrize("sigma", [10.0, 20.0])
def test_noise_has_the_stated_strength_and_differs_between_frames(sigma: float) -> None:
    clip = np.full((3, 6, 64, 64), 128, np.uint8)
    difference = changed(clip, "noise", sigma).astype(float) - 128
    assert difference.std() == pytest.approx(sigma, rel=0.02)
    assert abs(difference.mean()) < 0.02 * sigma
    first, second = difference[:, 0].ravel(), difference[:, 1].ravel()
    assert abs(np.corrcoef(first, second)[0, 1]) < 0.05


@pytest.mark.parametrize(("share", "hit"), [(0.25, 4), (0.5, 8), (1.0, 16)])
def test_the_stated_share_of_frames_is_noisy(share: float, hit: int) -> None:
    clip = np.full((3, 16, 32, 32), 128, np.uint8)
    spread = changed(clip, "noisy_frames", share).std(axis=(0, 2, 3))
    assert (spread > 0).sum() == hit
    assert spread[spread > 0].min() > 60  # of 80, less what is cut off at black and white


def test_blur_keeps_the_mean_and_lowers_the_contrast_as_a_slow_convolution_does() -> None:
    clip = textured(2, 50)
    blurred = changed(clip, "blur", 0.02)  # sigma: one pixel
    assert np.abs(blurred.mean(axis=(2, 3)) - clip.mean(axis=(2, 3))).max() < 0.1
    assert blurred.std() < 0.5 * clip.std()
    weights = np.exp(-(np.arange(-4, 5) ** 2) / 2)
    weights /= weights.sum()
    padded = np.pad(clip[0, 0].astype(float), 4, mode="symmetric")
    rows = np.apply_along_axis(np.convolve, 0, padded, weights, mode="valid")
    slow = np.apply_along_axis(np.convolve, 1, rows, weights, mode="valid")
    assert np.abs(blurred[0, 0] - slow).max() < 2.5


def test_compression_is_that_of_a_jpeg_file_and_grows() -> None:
    clip = textured(3)
    picture = np.ascontiguousarray(clip[:, 1].transpose(1, 2, 0)[..., ::-1])
    data = cv2.imencode(".jpg", picture, [cv2.IMWRITE_JPEG_QUALITY, 20])[1]
    decoded = cv2.imdecode(data, cv2.IMREAD_COLOR)
    assert decoded is not None
    assert np.array_equal(changed(clip, "compression", 20.0)[:, 1], decoded[..., ::-1].transpose(2, 0, 1))
    errors = [np.abs(changed(clip, "compression", each) - clip.astype(float)).mean() for each in (50.0, 20.0, 5.0)]
    assert errors == sorted(errors)


@pytest.mark.parametrize("share", [0.1, 0.25, 0.5])
def test_a_grey_square_covers_the_stated_share_in_all_frames(share: float) -> None:
    clip = textured(4, 64)
    clip[clip == GREY] += 1
    covered = (changed(clip, "occlusion", share) == GREY).all(axis=0)
    assert covered.mean() == pytest.approx(share, abs=0.02)
    assert (covered == covered[0]).all()
    rows, columns = covered[0].any(axis=1).sum(), covered[0].any(axis=0).sum()
    assert rows == columns
    assert covered[0].sum() == rows * columns


def test_light_follows_its_formulas() -> None:
    clip = textured()
    brighter = changed(clip, "brightness", 2.5)
    assert np.array_equal(brighter, np.minimum(np.rint(clip * 2.5), 255))
    assert np.array_equal(changed(clip, "brightness", 0.5), np.rint(clip * 0.5))
    flat = changed(clip, "contrast", 0.25).astype(float)
    assert flat.mean() == pytest.approx(clip.mean(), abs=0.5)
    assert flat.std() == pytest.approx(0.25 * clip.std(), rel=0.03)
    assert np.array_equal(changed(clip, "gamma", 2.5), np.rint(255 * (clip / 255) ** 2.5))
    assert changed(clip, "gamma", 0.4).mean() > clip.mean() > changed(clip, "gamma", 1.6).mean()


def test_a_list_of_names_is_read() -> None:
    assert chosen_stresses(False) == ()
    assert chosen_stresses(True) == chosen_stresses("all") == tuple(STRESSES)
    assert chosen_stresses(" freeze-first,blur, blur") == ("freeze_first", "blur")
    assert chosen_stresses("[blur, noise]") == ("blur", "noise")
    for choice, message in (("", "names nothing"), (" , ", "names nothing"), ("blur,rain", "unknown name 'rain'")):
        with pytest.raises(InputError, match=message):
            chosen_stresses(choice)


def test_strengths_grow_away_from_the_unchanged_clip() -> None:
    for name, stress in STRESSES.items():
        assert stress.neutral not in stress.strengths, name
        assert list(stress.strengths) == sorted(stress.strengths, reverse=stress.neutral > max(stress.strengths)), name
