import math
import tomllib
from dataclasses import replace
from pathlib import Path

import kornia
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from packaging.requirements import Requirement

from ifdd.data.transforms import AugmentationConfig, ClipAugmentation, Mixup, MixupConfig, rotate_hue
from ifdd.errors import InputError
from tests.helpers.videos import moving_frames

OFF = AugmentationConfig(flip=0.0, crop_scale=(1.0, 1.0), brightness=0.0, contrast=0.0, saturation=0.0, hue=0.0)


def still_clips(batch: int, time: int = 4, size: int = 32) -> torch.Tensor:
    """Return one image as (batch, 3, time, size, size): all clips and frames are equal."""
    image = torch.from_numpy(moving_frames(3, size, size)[2]).permute(2, 0, 1)
    return image[None, :, None].repeat(batch, 1, time, 1, 1)


def ramp(batch: int = 3, size: int = 32) -> torch.Tensor:
    """Return clips whose values rise from left to right by 4 per pixel."""
    row = torch.arange(size, dtype=torch.uint8) * 4
    return row.expand(batch, 3, 2, size, size).contiguous()


@pytest.mark.parametrize(
    "part",
    [
        {},
        {"flip": 0.5},
        {"crop_scale": (0.5, 1.0)},
        {"brightness": 0.4},
        {"contrast": 0.4},
        {"saturation": 0.4},
        {"hue": 0.4},
        {"rotation": 20.0},
        {"gamma": 0.5},
        {"erasing": 1.0},
    ],
)
def test_frames_of_a_clip_change_alike_and_clips_differently(part: dict[str, float]) -> None:
    torch.manual_seed(0)
    config = replace(OFF, **part) if part else AugmentationConfig()  # type: ignore[arg-type]
    varied = ClipAugmentation(config)(still_clips(8))
    assert varied.dtype == torch.float32
    assert varied.shape == (8, 3, 4, 32, 32)
    assert varied.min() >= 0
    assert varied.max() <= 1
    assert torch.allclose(varied, varied[:, :, :1].expand_as(varied), atol=1e-5), "one change for a clip"
    pictures = {tuple(clip[:, 0].mul(255).round().flatten().tolist()) for clip in varied}
    assert len(pictures) == (2 if part == {"flip": 0.5} else 8), "each clip has its own"


@pytest.mark.parametrize(
    "config",
    [
        AugmentationConfig(),
        AugmentationConfig(crop_scale=(1.0, 1.0), hue=0.0),
        AugmentationConfig(flip=0.0, brightness=0.0, contrast=0.0, saturation=0.0),
        AugmentationConfig(rotation=9.0, gamma=0.4, shade=0.5, blur=1.2, noise=0.1, erasing=0.6, hue=0.0),
    ],
)
@pytest.mark.parametrize(("batch", "time"), [(5, 3), (2, 2), (1, 4)])
def test_augmenting_clip_by_clip_equals_augmenting_the_batch(config: AugmentationConfig, batch: int, time: int) -> None:
    clips = torch.randint(0, 256, (batch, 3, time, 20, 24), dtype=torch.uint8)
    augment = ClipAugmentation(config)
    torch.manual_seed(6)
    varied = augment(clips)
    torch.manual_seed(6)
    sequence = augment._sequence(20, 24, "slice")
    assert sequence is not None
    expected = sequence(clips.float() / 255)
    if config.hue:
        expected = rotate_hue(expected, (2 * torch.rand(batch) - 1) * config.hue)
    assert torch.allclose(varied, expected.clamp(0, 1), atol=1e-6)


def test_the_crops_of_a_gpu_equal_those_of_a_cpu() -> None:
    augment = ClipAugmentation(AugmentationConfig(crop_scale=(0.3, 0.9)))
    clips = torch.rand(4, 3, 2, 24, 32)
    crops = []
    for cropping in ("slice", "resample"):
        torch.manual_seed(6)
        sequence = augment._sequence(24, 32, cropping)
        assert sequence is not None
        crops.append(sequence(clips))
    assert torch.allclose(crops[0], crops[1], atol=2e-3)


def test_without_augmentation_the_clip_is_unchanged() -> None:
    clips = still_clips(2)
    assert torch.equal(ClipAugmentation(OFF)(clips), clips.float() / 255)


def test_a_kornia_that_draws_rows_only_for_changed_clips_is_not_installed() -> None:
    table = tomllib.loads((Path(__file__).parents[2] / "pyproject.toml").read_text())["project"]
    needed = {each.name: each.specifier for each in map(Requirement, table["optional-dependencies"]["train"])}
    assert not needed["kornia"].contains("0.8.2")
    assert needed["kornia"].contains(kornia.__version__)


def test_the_seed_determines_the_result() -> None:
    augment = ClipAugmentation(AugmentationConfig())
    drawn = []
    for seed in (1, 1, 2):
        torch.manual_seed(seed)
        drawn.append(augment(still_clips(4)))
    assert torch.equal(drawn[0], drawn[1])
    assert not torch.allclose(drawn[0], drawn[2], atol=0.05)


def test_mixed_precision_does_not_change_the_augmentation() -> None:
    augment = ClipAugmentation(AugmentationConfig(hue=0.1))
    clip = still_clips(2)
    torch.manual_seed(3)
    expected = augment(clip)
    torch.manual_seed(3)
    with torch.autocast("cpu", torch.bfloat16):
        torch.testing.assert_close(augment(clip), expected, rtol=0, atol=0)


def test_a_flip_with_probability_1_mirrors() -> None:
    clips = ramp()
    assert torch.equal(ClipAugmentation(replace(OFF, flip=1.0))(clips), clips.flip(-1).float() / 255)


def test_the_crop_keeps_a_part_of_the_allowed_area() -> None:
    torch.manual_seed(0)
    config = replace(OFF, crop_scale=(0.5, 0.5), crop_ratio=(1.0, 1.0))
    rows = ClipAugmentation(config)(ramp(32, 64))[:, 0, 0, 32] * 255 / 4
    extents = rows.amax(1) - rows.amin(1)
    assert torch.allclose(extents, torch.tensor(64 * 0.5**0.5), atol=2.5)
    assert rows.amin(1).std() > 1, "the place varies"


def test_brightness_stays_in_its_range() -> None:
    torch.manual_seed(0)
    grey = torch.full((64, 3, 2, 8, 8), 100, dtype=torch.uint8)
    factors = ClipAugmentation(replace(OFF, brightness=0.4))(grey)[:, 0, 0, 0, 0] * 255 / 100
    assert 0.6 - 1e-4 <= factors.min() < 0.7
    assert 1.3 < factors.max() <= 1.4 + 1e-4


def test_gamma_raises_to_a_power_in_its_range() -> None:
    torch.manual_seed(0)
    grey = torch.full((64, 3, 2, 8, 8), 51, dtype=torch.uint8)  # 0.2
    powers = ClipAugmentation(replace(OFF, gamma=0.5))(grey)[:, 0, 0, 0, 0].log() / math.log(0.2)
    assert 1 / 1.5 - 1e-3 <= powers.min() < 0.75
    assert 1.4 < powers.max() <= 1.5 + 1e-3


@pytest.mark.parametrize(("part", "strength"), [("shade", 0.4), ("noise", 0.4), ("blur", 2.0)])
def test_half_of_the_clips_are_degraded(part: str, strength: float) -> None:
    torch.manual_seed(0)
    clips = torch.full((64, 3, 2, 32, 32), 100, dtype=torch.uint8)
    clips[..., 16:] = 150
    varied = ClipAugmentation(replace(OFF, **{part: strength}))(clips)  # type: ignore[arg-type]
    changed = varied[(varied - clips / 255).abs().amax((1, 2, 3, 4)) > 0.01]
    assert 20 <= len(changed) <= 44
    if part == "shade":  # a gradient of light
        assert (changed[..., :16].std((1, 2, 3, 4)) > 0.01).any()
    elif part == "noise":
        assert (changed - clips[: len(changed)] / 255).std() > 0.2
    else:  # only the edge is blurred
        assert torch.allclose(changed[..., 8], torch.tensor(100 / 255), atol=1e-3)
        assert (changed[..., 15] > 101 / 255).all()


def test_erased_boxes_have_their_share_of_the_area() -> None:
    torch.manual_seed(0)
    erased = ClipAugmentation(replace(OFF, erasing=1.0))(torch.zeros(32, 3, 2, 64, 64, dtype=torch.uint8))
    shares = (erased[:, 0, 0] > 0).float().mean((1, 2))
    assert shares.min() > 0.01
    assert 0.1 < shares.max() < 0.22


def test_some_clips_stand_still_at_one_of_their_frames() -> None:
    torch.manual_seed(0)
    clips = (torch.arange(8, dtype=torch.uint8) * 20).view(1, 1, 8, 1, 1).expand(200, 3, 8, 4, 4).contiguous()
    varied = (ClipAugmentation(replace(OFF, still=0.3))(clips)[:, 0, :, 0, 0] * 255 / 20).round()
    still = (varied == varied[:, :1]).all(1)
    assert 40 <= still.sum() <= 80
    assert set(varied[still, 0].tolist()) == set(range(8))
    assert torch.equal(varied[~still], torch.arange(8.0).expand(int((~still).sum()), 8))


@pytest.mark.parametrize(("time", "span", "expected"), [(8, 0.5, {2, 3, 4, 5}), (8, 0.01, {3, 4}), (7, 0.01, {3})])
def test_clips_stand_still_at_a_frame_of_their_middle(time: int, span: float, expected: set[int]) -> None:
    clips = (torch.arange(time, dtype=torch.uint8) * 20)[None, None, :, None, None].expand(200, 3, time, 32, 32)
    varied = (ClipAugmentation(replace(OFF, still=1.0, still_span=span))(clips)[:, 0, 0, 0, 0] * 255 / 20).round()
    assert set(varied.int().tolist()) == expected


def test_some_clips_reach_beyond_the_picture() -> None:
    torch.manual_seed(0)
    clips = torch.randint(256, (300, 3, 2, 40, 30), dtype=torch.uint8)
    varied = (ClipAugmentation(replace(OFF, border=0.5))(clips) * 255).round().byte()
    same = (varied == clips).flatten(1).all(1)
    assert 0.5 < same.float().mean() < 0.65, "half of the clips, and those without a side or with less than a line"
    for clip, other in zip(varied, clips, strict=True):
        inner = (clip == other).all(dim=(0, 1))
        rows, columns = (inner.any(dim).nonzero().flatten().tolist() for dim in (1, 0))
        top, bottom, left, right = rows[0], rows[-1], columns[0], columns[-1]
        assert inner[top : bottom + 1, left : right + 1].all(), "one box of the picture is left as it was"
        assert top <= 8
        assert 39 - bottom <= 8
        assert left <= 6
        assert 29 - right <= 6
        expected = other[..., torch.arange(40).clamp(top, bottom), :][..., torch.arange(30).clamp(left, right)]
        assert torch.equal(clip, expected), "the rest repeats its lines"


def test_the_hue_rotation_agrees_with_a_rotation_in_yiq() -> None:
    clip = torch.rand(3, 3, 2, 8, 8)
    turns = torch.tensor([0.1, -0.4, 0.5])
    turned = rotate_hue(clip, turns)
    before, after = (kornia.color.rgb_to_yuv(x.transpose(1, 2)) for x in (clip, turned))
    assert torch.allclose(before[:, :, 0], after[:, :, 0], atol=1e-3), "the luma stays"
    half = kornia.color.yuv_to_rgb(before[2] * torch.tensor([1, -1, -1])[:, None, None])
    assert torch.allclose(half, turned[2].transpose(0, 1), atol=2e-3), "half a turn negates the colour"
    assert torch.allclose(rotate_hue(turned, -turns), clip, atol=1e-5)
    grey = torch.rand(3, 1, 2, 8, 8).expand(3, 3, 2, 8, 8)
    assert torch.allclose(rotate_hue(grey, turns), grey, atol=1e-3)


def test_the_hue_rotates_in_the_direction_of_hsv() -> None:
    red = torch.tensor([0.8, 0.2, 0.2]).view(1, 3, 1, 1, 1)
    green, blue = (rotate_hue(red, torch.tensor([turn])).flatten() for turn in (1 / 3, -1 / 3))
    assert (int(green.argmax()), int(blue.argmax())) == (1, 2)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"flip": 1.5}, r"augmentation\.flip is 1\.5; it must be at least 0 and at most 1"),
        ({"hue": 0.6}, r"augmentation\.hue"),
        ({"still": -0.1}, r"augmentation\.still"),
        ({"still_span": 0.0}, r"augmentation\.still_span"),
        ({"border": 1.1}, r"augmentation\.border"),
        ({"rotation": 200.0}, r"augmentation\.rotation"),
        ({"gamma": -1.0}, r"augmentation\.gamma"),
        ({"blur": 8.1}, r"augmentation\.blur"),
        ({"crop_scale": (0.0, 1.0)}, r"augmentation\.crop_scale"),
        ({"crop_ratio": (2.0, 1.0)}, r"augmentation\.crop_ratio"),
    ],
)
def test_invalid_augmentation_is_refused(values: dict[str, float], message: str) -> None:
    with pytest.raises(InputError, match=message):
        AugmentationConfig(**values)  # type: ignore[arg-type]


def constant_clips(batch: int = 4, size: int = 16) -> torch.Tensor:
    """Return constant clips with the values 0, 1, 2, ..."""
    return torch.arange(batch, dtype=torch.float32).view(batch, 1, 1, 1, 1).expand(batch, 3, 2, size, size)


@given(seed=st.integers(0, 2**31), smoothing=st.sampled_from([0.0, 0.1]), cutmix=st.booleans())
def test_soft_targets_are_weighted_by_the_true_shares(seed: int, smoothing: float, cutmix: bool) -> None:
    torch.manual_seed(seed)
    config = MixupConfig(switch_probability=float(cutmix), label_smoothing=smoothing)
    clips = constant_clips(2)
    mixed, soft = Mixup(config, 5)(clips, torch.tensor([1, 3]))
    assert torch.allclose(soft.sum(1), torch.ones(2), atol=1e-5)
    share = (soft[0, 1] - smoothing / 5) / (1 - smoothing)
    assert mixed[0].mean().item() == pytest.approx(1 - share.item(), abs=1e-4), "clip 0 is all 0, clip 1 all 1"
    assert torch.equal(mixed[:, :, 0], mixed[:, :, 1]), "the same through time"
    if cutmix:
        assert set(mixed.unique().tolist()) <= {0.0, 1.0}
        box = mixed[0, 0, 0].bool()
        assert torch.equal(box, box.any(1)[:, None] & box.any(0)), "one rectangle"


def test_mixed_clips_and_targets_belong_to_neighbours() -> None:
    torch.manual_seed(0)
    mixed, soft = Mixup(MixupConfig(cutmix_alpha=0.0, label_smoothing=0.0), 4)(constant_clips(), torch.arange(4))
    share = soft[0, 0].item()
    assert mixed[:, 0, 0, 0, 0].tolist() == pytest.approx([3 * (1 - share), share, 1 + share, 2 + share], abs=1e-5)
    assert soft[0].tolist() == pytest.approx([share, 0, 0, 1 - share])
    assert soft[2].tolist() == pytest.approx([0, 1 - share, share, 0])


def test_both_kinds_occur_and_each_can_be_switched_off() -> None:
    def kinds(config: MixupConfig) -> set[str]:
        found = set()
        for seed in range(40):
            torch.manual_seed(seed)
            mixed, soft = Mixup(config, 4)(constant_clips(), torch.arange(4))
            if soft.max() > 0.999:
                continue
            found.add("cutmix" if torch.equal(mixed, mixed.round()) else "mixup")
        return found

    assert kinds(MixupConfig(label_smoothing=0.0)) == {"mixup", "cutmix"}
    assert kinds(MixupConfig(mixup_alpha=0.0, label_smoothing=0.0)) == {"cutmix"}
    assert kinds(MixupConfig(cutmix_alpha=0.0, label_smoothing=0.0)) == {"mixup"}
    assert kinds(MixupConfig(mixup_alpha=0.0, cutmix_alpha=0.0, label_smoothing=0.0)) == set()


def test_label_smoothing_alone_by_hand() -> None:
    config = MixupConfig(mixup_alpha=0.0, cutmix_alpha=0.0, label_smoothing=0.1)
    clips, soft = Mixup(config, 5)(constant_clips(2), torch.tensor([4, 0]))
    assert torch.equal(clips, constant_clips(2))
    assert soft[0].tolist() == pytest.approx([0.02, 0.02, 0.02, 0.02, 0.92])


def test_mixup_is_reproducible_and_refuses_invalid_values() -> None:
    drawn = []
    for _ in range(2):
        torch.manual_seed(5)
        drawn.append(Mixup(MixupConfig(), 4)(torch.rand(4, 3, 2, 8, 8), torch.arange(4)))
    assert torch.equal(drawn[0][0], drawn[1][0])
    assert torch.equal(drawn[0][1], drawn[1][1])
    with pytest.raises(InputError, match=r"mixup\.mixup_alpha is -1"):
        MixupConfig(mixup_alpha=-1.0)
