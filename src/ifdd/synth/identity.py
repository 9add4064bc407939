"""The people: the parameters that distinguish one synthetic person from another."""

from dataclasses import dataclass

import numpy as np

Colour = tuple[int | float, int | float, int | float]
"""Red, green, blue in 0..255."""

SKIN_TONES: tuple[Colour, ...] = (
    (246, 213, 191),
    (240, 202, 175),
    (230, 186, 154),
    (214, 166, 130),
    (190, 139, 102),
    (158, 109, 77),
    (124, 82, 57),
    (94, 62, 45),
    (70, 48, 37),
)
"""Light to dark, over the range of the Monk Skin Tone scale (E. Monk, 2019); people lie between two of them."""

HAIR_COLOURS: tuple[Colour, ...] = (
    (28, 23, 22),
    (44, 32, 26),
    (72, 48, 32),
    (110, 74, 46),
    (158, 116, 70),
    (206, 170, 112),
    (136, 62, 30),
    (150, 148, 146),
    (214, 212, 208),
)
EYE_COLOURS: tuple[Colour, ...] = (
    (62, 40, 26),
    (84, 54, 32),
    (112, 84, 48),
    (98, 112, 72),
    (88, 118, 138),
    (112, 140, 160),
)
HAIR_STYLES = ("short", "swept", "fringe", "crop", "bald", "curly", "long", "bob", "tied", "scarf")
BEARDS = ("none", "stubble", "moustache", "goatee", "full")
GLASSES = ("none", "round", "square")


@dataclass(frozen=True)
class Identity:
    """One person. Lengths are in head units of about 10 cm; the face is about 1.8 units high."""

    face_width: float
    """Half width at the cheekbones."""
    jaw: float
    """0 narrow and pointed to 1 wide and square."""
    chin: float
    """Distance of the chin below the eyes, added to the average."""
    eye_size: float
    eye_spacing: float
    """Added to the distance of each eye from the middle."""
    eye_tilt: float
    """Height of the outer corner of the eye above the inner one."""
    eye_openness: float
    lid_crease: float
    """Height of the crease above the upper lid; 0: none (monolid)."""
    eye_colour: Colour
    brow_thickness: float
    brow_height: float
    brow_arch: float
    brow_colour: Colour
    nose_width: float
    nose_length: float
    nose_bridge: float
    """Height of the nose's ridge above the face."""
    lip_upper: float
    lip_lower: float
    mouth_width: float
    lip_colour: Colour
    skin: Colour
    blush: float
    freckles: float
    age: float
    """0, young, to 1, old: depth of the lines at rest."""
    lashes: float
    hair_style: str
    hair_colour: Colour
    hair_volume: float
    beard: str
    glasses: str
    glasses_colour: Colour
    shirt_colour: Colour
    texture_seed: int
    """Seed of freckles, hair strands and skin blotches."""


def sample_identity(rng: np.random.Generator, even_skin_tones: bool = False) -> Identity:
    """Draw one person. Traits that correlate in people (sex, age, complexion) are drawn together.

    Args:
        rng: random source.
        even_skin_tones: spread skin tones evenly from light to dark; otherwise, very dark ones are rarer.
    """
    feminine = rng.random() < 0.5
    age = float(rng.beta(1.4, 2.2))
    share = float(rng.beta(1.0, 1.3))
    if even_skin_tones:
        share = 1 - (1 - share) ** 1.3  # the distribution function of the draw, which makes it uniform
    tone = share * (len(SKIN_TONES) - 1)
    skin = _between(SKIN_TONES, tone) * rng.uniform(0.97, 1.03) * rng.uniform(0.985, 1.015, 3)
    dark = tone / (len(SKIN_TONES) - 1)
    hair = _hair_colour(rng, dark, age)
    redness = rng.uniform(0.25, 0.6) + (0.2 if feminine and rng.random() < 0.5 else 0.0)
    lip = skin * (1 - redness) + np.array([172, 62, 66]) * (0.5 + 0.5 * (1 - dark)) * redness
    style = _hair_style(rng, feminine, age)
    beard = "none" if feminine or rng.random() < 0.55 else str(rng.choice(BEARDS[1:]))
    eye = EYE_COLOURS[min(int(rng.uniform(0, 2 if dark > 0.45 else len(EYE_COLOURS))), len(EYE_COLOURS) - 1)]
    return Identity(
        face_width=rng.uniform(0.62, 0.70),
        jaw=float(np.clip(rng.normal(0.35 if feminine else 0.6, 0.18), 0, 1)),
        chin=rng.uniform(-0.05, 0.03) + (0.0 if feminine else 0.02),
        eye_size=rng.uniform(0.92, 1.08) * (1.06 if feminine else 1.0),
        eye_spacing=rng.uniform(-0.015, 0.015),
        eye_tilt=rng.uniform(-0.01, 0.04),
        eye_openness=rng.uniform(0.85, 1.1),
        lid_crease=0.0 if rng.random() < 0.15 else rng.uniform(0.03, 0.06),
        eye_colour=eye,
        brow_thickness=rng.uniform(0.75, 1.0) * (0.85 if feminine else 1.25),
        brow_height=rng.uniform(-0.02, 0.025),
        brow_arch=rng.uniform(0.2, 1.0) * (1.2 if feminine else 0.8),
        brow_colour=_brow_colour(hair, skin),
        nose_width=rng.uniform(0.85, 1.1) * (1.0 + 0.15 * dark),
        nose_length=rng.uniform(-0.03, 0.03),
        nose_bridge=rng.uniform(0.8, 1.15),
        lip_upper=rng.uniform(0.75, 1.15) * (1.0 + 0.25 * dark),
        lip_lower=rng.uniform(0.8, 1.1) * (1.0 + 0.2 * dark),
        mouth_width=rng.uniform(0.92, 1.1),
        lip_colour=_colour(lip),
        skin=_colour(skin),
        blush=rng.uniform(0.1, 0.5),
        freckles=float(rng.random() < 0.15) * rng.uniform(0.4, 1.0),
        age=age,
        lashes=rng.uniform(0.7, 1.2) if feminine else rng.uniform(0.3, 0.6),
        hair_style=style,
        hair_colour=_colour(rng.uniform(40, 200, 3) if style == "scarf" else hair),
        hair_volume=rng.uniform(0.8, 1.25),
        beard=beard,
        glasses=str(rng.choice(GLASSES, p=(0.8, 0.1, 0.1))),
        glasses_colour=_colour(rng.uniform(10, 90) * rng.uniform(0.6, 1.0, 3)),
        shirt_colour=_colour(rng.uniform(20, 235) * rng.uniform(0.5, 1.0, 3)),
        texture_seed=int(rng.integers(2**31)),
    )


def identity_attributes(identity: Identity) -> dict[str, str]:
    """Return a person's columns in the manifest, for results by group.

    ``skin_tone`` is the number, from 1 (light), of the nearest of ``SKIN_TONES``; ``age`` is young, middle or old, a
    third of the scale each. Sex is missing: it is not a trait of an identity.
    """
    skin = np.array(identity.skin)
    tone = int(np.argmin([np.linalg.norm(skin - np.array(colour)) for colour in SKIN_TONES]))
    return {
        "skin_tone": str(tone + 1),
        "age": ("young", "middle", "old")[min(int(3 * identity.age), 2)],
        "glasses": identity.glasses,
        "beard": identity.beard,
        "hair": identity.hair_style,
    }


def _between(colours: tuple[Colour, ...], position: float) -> np.ndarray:
    lower = min(int(position), len(colours) - 2)
    share = position - lower
    return np.array(colours[lower]) * (1 - share) + np.array(colours[lower + 1]) * share


def _hair_colour(rng: np.random.Generator, dark: float, age: float) -> np.ndarray:
    grey = rng.random() < max(0.0, age - 0.45) * 1.5
    choice = int(rng.integers(7, 9)) if grey else int(rng.integers(0, 2 if dark > 0.5 else 7))
    return np.array(HAIR_COLOURS[choice]) * rng.uniform(0.85, 1.15)


def _brow_colour(hair: np.ndarray, skin: np.ndarray) -> Colour:
    """Return the colour of brows and beard: darker than the hair, or browner in fair people."""
    if hair.mean() < 110:
        return _colour(0.7 * hair + 0.1 * skin)
    return _colour((0.46 * hair + 0.12 * skin) * (1.06, 0.92, 0.84))


def _hair_style(rng: np.random.Generator, feminine: bool, age: float) -> str:
    if feminine:
        return str(
            rng.choice(("long", "bob", "tied", "fringe", "curly", "scarf"), p=(0.3, 0.2, 0.17, 0.13, 0.12, 0.08))
        )
    bald = 0.08 + 0.25 * age
    rest = (1 - bald) / 4
    return str(
        rng.choice(
            ("bald", "short", "swept", "crop", "curly"), p=(bald, 1.3 * rest, 1.0 * rest, 1.2 * rest, 0.5 * rest)
        )
    )


def _colour(values: np.ndarray) -> Colour:
    red, green, blue = (float(np.clip(value, 0, 255)) for value in values)
    return red, green, blue
