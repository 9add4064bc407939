"""Make the pictures of README.md and docs/recognize.md: two rendered people side by side; the light of one goes out.

python docs/make_recognize_figures.py [--rig-data PATH] [--detector-model PATH]

They are read with the checkpoint in the box that is the default of ifdd recognize.
"""

import argparse
import tempfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
from jaxtyping import UInt8

from ifdd.inference import Recognizer, YuNetDetector
from ifdd.inference.outputs.pictures.render import draw_frames
from ifdd.model import DEFAULT
from ifdd.synth import PRESETS
from ifdd.synth.config import Preset
from ifdd.synth.rigs import RigMaker, make_rig_maker
from ifdd.synth.videos.story import StoryConfig, render_story
from ifdd.video.encode import write_video

IMAGES = Path(__file__).parent / "images"
STORIES = {15: ["neutral", "happy", "surprise", "sad"], 5: ["angry", "neutral", "disgust", "happy"]}
"""Seed of a person -> what they show."""
STORY = StoryConfig(seconds=4.0, fps=12.5, width=400, height=360, face=0.5)
CONTEXT = Preset(
    PRESETS["lifelike"].behaviour,
    replace(PRESETS["easy"].scene, fill_lights=0.6, lens=(12.0, 12.0), brightness=(0.45, 0.55)),
)
"""Expressions as people make them, in a quiet picture."""
SHOWN_SECONDS = 13.6
"""Time of the frame that is shown."""
DARK = (7.5, 11.5)
"""When the light of the second person is out (seconds); it fades for a second before and after."""


def main() -> None:
    """Make both pictures."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rig-data", type=Path, help="ICT-FaceKit, as for 'ifdd synth'")
    parser.add_argument("--detector-model", type=Path, help="YuNet's .onnx file, where it cannot be downloaded")
    options = parser.parse_args()
    detector = YuNetDetector(options.detector_model) if options.detector_model else None
    recognizer = Recognizer.from_checkpoint(DEFAULT, detector)
    with tempfile.TemporaryDirectory() as folder:
        video = Path(folder) / "two_people.mp4"
        write_video(video, film(make_rig_maker("rendered", options.rig_data)), STORY.fps)
        recognition = recognizer.recognize(video)
        shown = round(SHOWN_SECONDS * STORY.fps)
        frame = next(frame for frame in draw_frames(recognition, video) if frame.index == shown)
    recognition = replace(recognition, video=replace(recognition.video, path=video.name))
    recognition.write(IMAGES / "recognize_plot.png")
    picture = cv2.cvtColor(frame.image, cv2.COLOR_RGB2BGR)
    cv2.imwrite(str(IMAGES / "recognize_video.jpg"), picture, [cv2.IMWRITE_JPEG_QUALITY, 90])


def film(make_rig: RigMaker) -> Iterator[UInt8[np.ndarray, "height width 3"]]:
    """Give the pictures of several stories, side by side."""
    stories = [render_story(labels, CONTEXT, seed, STORY, make_rig)[1] for seed, labels in STORIES.items()]
    for index, frames in enumerate(zip(*stories, strict=True)):
        image = np.concatenate([picture for picture, _ in frames], axis=1)
        light = np.interp(index / STORY.fps, (DARK[0] - 1, *DARK, DARK[1] + 1), (1.0, 0.1, 0.1, 1.0))
        image[:, STORY.width :] = (image[:, STORY.width :] * light).astype(np.uint8)
        yield image


if __name__ == "__main__":
    main()
