"""Make the pictures of docs/recognize.md: two drawn people side by side, read by a trained model; one light goes out.

python docs/make_recognize_figures.py

The checkpoint is the one in the box. A word names YuNet's file, where it cannot be downloaded.
"""

import sys
import tempfile
from dataclasses import replace
from pathlib import Path

import av
import cv2
import numpy as np

from ifdd.inference import Recognizer, YuNetDetector
from ifdd.inference.outputs.pictures.render import draw_frames
from ifdd.model import DEMONSTRATION
from ifdd.synth import PRESETS
from ifdd.synth.videos.story import StoryConfig, render_story

IMAGES = Path(__file__).parent / "images"
STORIES = {11: ["neutral", "happy", "surprise", "sad"], 4: ["angry", "neutral", "disgust", "happy"]}
FRAME = 225
DARK = (7.5, 11.5)
"""When the light of the second person is out (seconds); it fades for a second before and after."""


def main() -> None:
    """Make both pictures."""
    detector = YuNetDetector(Path(sys.argv[1])) if len(sys.argv) > 1 else None
    recognizer = Recognizer.from_checkpoint(DEMONSTRATION, detector)
    with tempfile.TemporaryDirectory() as folder:
        video = Path(folder) / "two_people.mp4"
        write_video(video)
        recognition = recognizer.recognize(video)
        frame = next(frame for frame in draw_frames(recognition, video) if frame.index == FRAME)
    recognition = replace(recognition, video=replace(recognition.video, path=video.name))
    recognition.write(IMAGES / "recognize_plot.png")
    picture = cv2.cvtColor(frame.image, cv2.COLOR_RGB2BGR)
    cv2.imwrite(str(IMAGES / "recognize_video.jpg"), picture, [cv2.IMWRITE_JPEG_QUALITY, 90])


def write_video(path: Path) -> None:
    """Write the stories of several people, side by side."""
    config = StoryConfig(seconds=4.0, fps=25.0, width=400, height=360)
    shots = [render_story(labels, PRESETS["easy"], seed, config)[1] for seed, labels in STORIES.items()]
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=25)
        stream.width, stream.height = 400 * len(STORIES), 360
        for index, pictures in enumerate(zip(*shots, strict=True)):
            image = np.concatenate([picture for picture, _ in pictures], axis=1)
            light = np.interp(index / 25, (DARK[0] - 1, DARK[0], DARK[1], DARK[1] + 1), (1.0, 0.1, 0.1, 1.0))
            image[:, 400:] = (image[:, 400:] * light).astype(np.uint8)
            container.mux(stream.encode(av.VideoFrame.from_ndarray(image, format="rgb24")))
        container.mux(stream.encode(None))


if __name__ == "__main__":
    main()
