"""Changes of a clip: its order, its frames and its pictures, each at several strengths.

A change acts on the frames that the model is given, after sampling, resizing and cropping, so that a strength means the
same for every dataset. Its random draws do not depend on the strength, so a stronger change adds to a weaker one: it
drops the same frames and more, scales the same noise, or covers a larger square over the smaller one. In ``shuffle``
and ``noisy_frames`` it does not: a wider window is another permutation, and more frames get other noise.
"""

import zlib
from collections.abc import Callable, Iterable, Iterator
from typing import NamedTuple

import cv2
import numpy as np
from jaxtyping import UInt8

from ifdd.errors import InputError

Frames = UInt8[np.ndarray, "3 time height width"]

NOISY_FRAME_SIGMA = 80.0
"""Standard deviation of the noise of ``noisy_frames`` in grey levels of 255."""

GREY = 128
"""Grey level of the square of ``occlusion``."""

SEED = 0

Change = Callable[[Frames, float, np.random.Generator], Frames]


class Stress(NamedTuple):
    """A change of clips, and its strengths from the weakest on the axis of its curve to the strongest."""

    change: Change
    strengths: tuple[float, ...]
    unit: str
    """What a strength measures."""
    meaning: str
    """What happens to the clip, in words."""
    temporal: bool = False
    """Whether it changes nothing but the order of the frames, so that a clip needs at least two."""
    neutral: float = 0.0
    """Strength of the unchanged clip on the axis."""


class Condition(NamedTuple):
    """One change at one strength."""

    name: str
    strength: float


def reversal(clip: Frames, strength: float, rng: np.random.Generator) -> Frames:
    """Return the frames in reverse order."""
    return clip[:, ::-1]


def freeze_first(clip: Frames, share: float, rng: np.random.Generator) -> Frames:
    """Let the last ``share`` of the frames repeat the frame before them; of the whole clip, the first is left."""
    last = max(round((1 - share) * clip.shape[1]) - 1, 0)
    return clip[:, np.minimum(np.arange(clip.shape[1]), last)]


def freeze_middle(clip: Frames, share: float, rng: np.random.Generator) -> Frames:
    """Replace the middle ``share`` of the frames by the middle frame."""
    count = clip.shape[1]
    frozen = round(share * count)
    first = (count - frozen) // 2
    order = np.arange(count)
    order[first : first + frozen] = count // 2
    return clip[:, order]


def shuffle(clip: Frames, share: float, rng: np.random.Generator) -> Frames:
    """Permute the frames within windows of ``share`` of the clip, at least two frames each."""
    return clip[:, shuffled_order(clip.shape[1], share, rng)]


def shuffled_order(count: int, share: float, rng: np.random.Generator) -> np.ndarray:
    """Return a permutation of ``count`` frames within windows of ``share`` of them; no window keeps its order."""
    width = max(round(share * count), 2)
    order = np.arange(count)
    for first in range(0, count, width):
        window = order[first : first + width].copy()
        while len(window) > 1 and np.array_equal(window, order[first : first + width]):
            window = rng.permutation(window)
        order[first : first + width] = window
    return order


def drop(clip: Frames, share: float, rng: np.random.Generator) -> Frames:
    """Replace ``share`` of the frames by the last frame before them that is kept; the first is always kept."""
    count = clip.shape[1]
    kept = np.arange(count)
    kept[1 + rng.permutation(count - 1)[: round(share * (count - 1))]] = 0
    return clip[:, np.maximum.accumulate(kept)]


def noisy_frames(clip: Frames, share: float, rng: np.random.Generator) -> Frames:
    """Add strong noise to ``share`` of the frames: single pictures that were badly received."""
    count = clip.shape[1]
    hit = rng.permutation(count)[: round(share * count)]
    changed = clip.copy()
    changed[:, hit] = noise(clip[:, hit], NOISY_FRAME_SIGMA, rng)
    return changed


def noise(clip: Frames, sigma: float, rng: np.random.Generator) -> Frames:
    """Add normal noise of ``sigma`` grey levels, independent for each pixel, colour and frame."""
    noisy = clip + np.float32(sigma) * rng.standard_normal(clip.shape, dtype=np.float32)
    return np.clip(noisy.round(), 0, 255).astype(np.uint8)


def blur(clip: Frames, share: float, rng: np.random.Generator) -> Frames:
    """Blur each picture by a normal kernel with ``share`` of the picture's height as standard deviation."""
    sigma = share * clip.shape[2]

    def blurred(picture: np.ndarray) -> np.ndarray:
        return cv2.GaussianBlur(picture, (0, 0), sigma, borderType=cv2.BORDER_REFLECT)  # this border keeps the mean

    return _each_picture(clip, blurred)


def compression(clip: Frames, quality: float, rng: np.random.Generator) -> Frames:
    """Compress each picture as JPEG of this quality."""
    options = [cv2.IMWRITE_JPEG_QUALITY, round(quality)]

    def compressed(picture: np.ndarray) -> np.ndarray:
        data = cv2.imencode(".jpg", cv2.cvtColor(picture, cv2.COLOR_RGB2BGR), options)[1]
        decoded = cv2.imdecode(data, cv2.IMREAD_COLOR)
        assert decoded is not None
        return cv2.cvtColor(decoded, cv2.COLOR_BGR2RGB)

    return _each_picture(clip, compressed)


def occlusion(clip: Frames, share: float, rng: np.random.Generator) -> Frames:
    """Cover ``share`` of the picture by a grey square at a random place, the same in all frames."""
    height, width = clip.shape[2:]
    side = min(round((share * height * width) ** 0.5), height, width)
    across, down = rng.random(2)
    top, left = round(down * (height - side)), round(across * (width - side))
    covered = clip.copy()
    covered[:, :, top : top + side, left : left + side] = GREY
    return covered


def brightness(clip: Frames, factor: float, rng: np.random.Generator) -> Frames:
    """Multiply all grey levels by a factor, up to white."""
    return _levels(clip, lambda grey: grey * factor)


def contrast(clip: Frames, factor: float, rng: np.random.Generator) -> Frames:
    """Multiply the distance of each pixel from the clip's mean grey level by a factor."""
    mean = float(clip.mean())
    return _levels(clip, lambda grey: mean + (grey - mean) * factor)


def gamma(clip: Frames, exponent: float, rng: np.random.Generator) -> Frames:
    """Raise grey levels from 0 to 1 to a power: below 1 the dark parts become lighter, above 1 darker."""
    return _levels(clip, lambda grey: 255 * (grey / 255) ** exponent)


def _levels(clip: Frames, curve: Callable[[np.ndarray], np.ndarray]) -> Frames:
    table = np.clip(curve(np.arange(256.0)).round(), 0, 255).astype(np.uint8)
    return table[clip]


def _each_picture(clip: Frames, change: Callable[[np.ndarray], np.ndarray]) -> Frames:
    """Change the frames one by one as RGB pictures (height, width, 3)."""
    pictures = np.ascontiguousarray(clip.transpose(1, 2, 3, 0))
    return np.stack([change(picture) for picture in pictures]).transpose(3, 0, 1, 2)


SHARES = (0.5, 0.75, 1.0)

STRESSES: dict[str, Stress] = {
    "reversal": Stress(reversal, (1.0,), "share of the clip", "the frames in reverse order", temporal=True),
    "shuffle": Stress(
        shuffle, (0.125, 0.25, 0.5, 1.0), "window, share of the clip", "frames permuted within windows", temporal=True
    ),
    "freeze_first": Stress(
        freeze_first, SHARES, "share of the frames", "the clip stops at a frame, at the first for 1", temporal=True
    ),
    "freeze_middle": Stress(
        freeze_middle, SHARES, "share of the frames", "the middle frame repeated around the middle", temporal=True
    ),
    "drop": Stress(
        drop, (0.25, 0.5, 0.75), "share of the frames", "frames replaced by the one before them", temporal=True
    ),
    "noisy_frames": Stress(
        noisy_frames,
        (0.25, 0.5, 1.0),
        "share of the frames",
        f"normal noise of {NOISY_FRAME_SIGMA:g} grey levels in some frames",
    ),
    "noise": Stress(noise, (10.0, 20.0, 40.0), "grey levels", "normal noise in all frames"),
    "blur": Stress(blur, (0.01, 0.02, 0.04), "share of the height", "normal blur with this standard deviation"),
    "compression": Stress(
        compression, (50.0, 20.0, 10.0, 5.0), "JPEG quality", "each frame compressed as JPEG", neutral=100.0
    ),
    "occlusion": Stress(occlusion, (0.1, 0.25, 0.5), "share of the picture", "a grey square, the same in all frames"),
    "brightness": Stress(brightness, (0.25, 0.5, 1.5, 2.5), "factor", "grey levels times a factor", neutral=1.0),
    "contrast": Stress(contrast, (0.125, 0.25, 0.5, 2.0), "factor", "distance from the mean grey level", neutral=1.0),
    "gamma": Stress(gamma, (0.4, 0.6, 1.6, 2.5), "exponent", "grey levels from 0 to 1 to a power", neutral=1.0),
}
"""Name -> change and strengths, those of time first."""


def chosen_stresses(choice: bool | str) -> tuple[str, ...]:
    """Return the names in a list separated by commas; all for True and for "all", none for False.

    Raises:
        InputError: a name is unknown, or the list is empty.

    Example:
        >>> from ifdd.evaluation.stress.transforms import chosen_stresses
        >>> chosen_stresses("shuffle, reversal")
        ('shuffle', 'reversal')
    """
    if choice is False:
        return ()
    if choice is True or choice.strip() == "all":
        return tuple(STRESSES)
    words = choice.strip().removeprefix("[").removesuffix("]").split(",")  # in YAML, the list may be one
    names = tuple(dict.fromkeys(name.strip().replace("-", "_") for name in words if name.strip()))
    if not names:
        raise InputError(f"--stress names nothing; give names separated by commas: {', '.join(STRESSES)}; or all")
    unknown = [name for name in names if name not in STRESSES]
    if unknown:
        raise InputError(f"--stress has the unknown name {unknown[0]!r}; use some of {', '.join(STRESSES)}; or all")
    return names


def conditions_of(names: Iterable[str]) -> Iterator[Condition]:
    """Yield every change at each of its strengths."""
    yield from (Condition(name, strength) for name in names for strength in STRESSES[name].strengths)


def apply_stress(clip: Frames, condition: Condition, clip_id: str, view: int = 0, seed: int = SEED) -> Frames:
    """Return a clip under a condition; the same arguments give the same bytes.

    Args:
        clip: the frames that the model is given.
        condition: change and strength.
        clip_id: name of the clip, which the random draws depend on.
        view: number of this view of the clip.
        seed: further seed of the draws.

    Example:
        >>> import numpy as np
        >>> from ifdd.evaluation.stress.transforms import Condition, apply_stress
        >>> clip = np.arange(4, dtype=np.uint8).reshape(1, 4, 1, 1).repeat(3, 0)
        >>> apply_stress(clip, Condition("freeze_first", 0.5), "smile")[0, :, 0, 0]
        array([0, 1, 1, 1], dtype=uint8)
    """
    words = (zlib.crc32(text.encode("utf-8", "surrogateescape")) for text in (clip_id, condition.name))
    rng = np.random.default_rng([seed, *words, view])
    return np.ascontiguousarray(STRESSES[condition.name].change(clip, condition.strength, rng))
