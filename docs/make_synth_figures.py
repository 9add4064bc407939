"""Make the pictures of docs/synth.md.

python docs/make_synth_figures.py [--rig-data PATH] [--only rendered]
"""

import argparse
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np

from ifdd.data.labels import LABEL_SETS
from ifdd.synth import PRESETS, SynthConfig, render_clip
from ifdd.synth.behaviour.action_units import ACTION_UNITS, activation_of, no_activation, sample_expression
from ifdd.synth.behaviour.repertoire import draw_expression
from ifdd.synth.drawn.portrait import PortraitRig
from ifdd.synth.identity import Identity
from ifdd.synth.pairs import plan_pairs, render_pair_clip
from ifdd.synth.plan import person_identity, plan_clip
from ifdd.synth.rig import CROP_SIDE, FaceState, Light, Pose
from ifdd.synth.rigs import RigMaker, make_rig_maker

IMAGES = Path(__file__).parent / "images"
EXTRA = ("contempt", "anxiety", "helplessness", "disappointment")
INK, PAPER = (40, 40, 40), (255, 255, 255)


def main() -> None:
    """Make the pictures."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rig-data", type=Path, help="ICT-FaceKit, as for 'ifdd synth'")
    parser.add_argument("--only", choices=("drawn", "rendered"), help="make the pictures of one rig only")
    options = parser.parse_args()
    IMAGES.mkdir(exist_ok=True)
    if options.only != "drawn":
        make_rig = make_rig_maker("rendered", options.rig_data)
        save("synth_rendered.png", rendered(people=(14, 8, 11, 3, 7, 29), size=132, make_rig=make_rig))
    if options.only != "rendered":
        drawn_pictures()


def drawn_pictures() -> None:
    """Make the pictures of the drawn rig."""
    save("synth_identities.png", identities(people=(6, 10, 5, 14, 11, 26), size=120))
    save("synth_time.png", time(size=96))
    save("synth_pairs.png", pair(size=96))
    save("synth_presets.png", presets(size=84))
    save("synth_action_units.png", action_units(person=15, size=144))
    save("synth_rotation.png", rotation(people=(15, 10), size=144))


def face(
    person: Identity,
    activation: np.ndarray,
    size: int,
    pose: tuple[float, float, float] = (0.0, 0.0, 0.0),
    gaze: float = 0.0,
) -> np.ndarray:
    """Draw one face in a studio's light."""
    picture = np.full((size, size, 3), (176, 186, 194), np.uint8)
    direction = np.array([-0.45, -0.55, 0.7])
    light = Light(direction / np.linalg.norm(direction), np.full(3, 0.62), np.full(3, 0.42))
    scale = 1.12 * size / CROP_SIDE
    rig = PortraitRig(person, scale)
    rig.draw(picture, FaceState(activation, Pose(*pose, size / 2, size / 2, scale), (0.0, gaze), light))
    return picture


def identities(people: tuple[int, ...], size: int) -> np.ndarray:
    """Rows: people; columns: neutral and each emotion at its apex."""
    labels = ("neutral", *(label for label in LABEL_SETS["dfew"] if label != "neutral"), *EXTRA)
    rows = []
    for person in people:
        identity, row = person_identity(0, person), []
        for number, label in enumerate(labels):
            shown = sample_expression(label, np.random.default_rng([person, number]))
            row.append(face(identity, shown.activation, size, (0.0, shown.pitch, shown.roll), shown.gaze_down))
        rows.append(np.hstack(row))
    return np.vstack([header(labels, size), *rows])


def rendered(people: tuple[int, ...], size: int, make_rig: RigMaker) -> np.ndarray:
    """Rows: people of the rendered rig; columns: a lifelike expression of each class at its apex."""
    labels = LABEL_SETS["dfew"]
    rows = []
    for person in people:
        rig, row = make_rig(person_identity(0, person, even_skin_tones=True), size / CROP_SIDE), []
        for number, label in enumerate(labels):
            rng = np.random.default_rng([person, number])
            shown = draw_expression(label, "lifelike", rng, strength=1.0)
            picture = np.full((size, size, 3), (150, 160, 170), np.uint8)
            direction = np.array([rng.uniform(-0.7, 0.7), -0.5, 0.7])
            light = Light(direction / np.linalg.norm(direction), np.full(3, 0.8), np.full(3, 0.45))
            pose = Pose(float(rng.normal(0, 9)), shown.pitch, shown.roll, size / 2, size / 2, 1.05 * size / CROP_SIDE)
            rig.draw(picture, FaceState(shown.activation, pose, (0.0, shown.gaze_down), light))
            row.append(picture)
        rows.append(np.hstack(row))
    return np.vstack([header(labels, size), *rows])


def time(size: int) -> np.ndarray:
    """Rows: one standard clip of each class; columns: every second frame."""
    preset = PRESETS["standard"]
    config = SynthConfig(
        replace(preset.behaviour, visible=(0.6, 0.75)), replace(preset.scene, occlusion=0.0), size=size
    )
    return clip_rows(config, config.classes, first=84)


def pair(size: int) -> np.ndarray:
    """Rows: the clips of one minimal pair; columns: every second frame."""
    config = SynthConfig(size=size)
    clips = next(clips for clips in plan_pairs(config, 0, 60) if clips[0].plan.label == "surprise")
    rows = [caption(np.hstack(list(render_pair_clip(config, 0, clip).frames[::2])), clip.condition) for clip in clips]
    return np.vstack(rows)


def presets(size: int) -> np.ndarray:
    """Three clips of each preset."""
    blocks = []
    for name, preset in PRESETS.items():
        config = SynthConfig(preset.behaviour, preset.scene, size=size)
        rows = clip_rows(config, ("happy", "angry", "surprise"), first=12)
        blocks += [header((name,), rows.shape[1]), rows]
    return np.vstack(blocks)


def clip_rows(config: SynthConfig, labels: tuple[str, ...], first: int) -> np.ndarray:
    """Rows: the first clip of each label from clip ``first`` on; columns: every second frame."""
    rows = []
    for label in labels:
        index = next(index for index in range(first, 10_000) if plan_clip(config, 0, index).label == label)
        row = np.hstack(list(render_clip(config, 0, index).frames[::2]))
        rows.append(caption(row, label))
    return np.vstack(rows)


def action_units(person: int, size: int) -> np.ndarray:
    """Each action unit at full intensity."""
    identity = person_identity(0, person)
    pictures = [caption(face(identity, no_activation(), size), "at rest")]
    for number, name in ACTION_UNITS.items():
        units = {number: 1.0, 25: 1.0} if number in (16, 26) else {number: 1.0}
        pictures.append(caption(face(identity, activation_of(units), size), f"{number} {name}"))
    return np.vstack([np.hstack(pictures[start : start + 8]) for start in range(0, len(pictures), 8)])


def rotation(people: tuple[int, ...], size: int) -> np.ndarray:
    """Yaw and pitch up to 30 degrees."""
    poses = ((-30.0, 0.0), (-15.0, 0.0), (0.0, 0.0), (15.0, 0.0), (30.0, 0.0), (0.0, -18.0), (0.0, 18.0))
    rows = [
        np.hstack([face(person_identity(0, person), no_activation(), size, (yaw, pitch, 0.0)) for yaw, pitch in poses])
        for person in people
    ]
    return np.vstack([header([f"yaw {yaw:+.0f}, pitch {pitch:+.0f}" for yaw, pitch in poses], size), *rows])


def header(labels: tuple[str, ...] | list[str], width: int) -> np.ndarray:
    """Return a strip with one label over each column."""
    strip = np.full((22, width * len(labels), 3), PAPER, np.uint8)
    for column, label in enumerate(labels):
        cv2.putText(strip, label, (column * width + 5, 16), cv2.FONT_HERSHEY_SIMPLEX, 0.42, INK, 1, cv2.LINE_AA)
    return strip


def caption(picture: np.ndarray, text: str) -> np.ndarray:
    """Return the picture with a caption in its corner."""
    picture = picture.copy()
    cv2.putText(picture, text, (4, 12), cv2.FONT_HERSHEY_SIMPLEX, 0.36, (0.0, 0.0, 0.0), 3, cv2.LINE_AA)
    cv2.putText(picture, text, (4, 12), cv2.FONT_HERSHEY_SIMPLEX, 0.36, PAPER, 1, cv2.LINE_AA)
    return picture


def save(name: str, picture: np.ndarray) -> None:
    """Write a picture and say how large it became."""
    path = IMAGES / name
    cv2.imwrite(str(path), cv2.cvtColor(picture, cv2.COLOR_RGB2BGR), (cv2.IMWRITE_PNG_COMPRESSION, 9))
    print(f"{path}: {path.stat().st_size // 1024} KiB")


if __name__ == "__main__":
    main()
