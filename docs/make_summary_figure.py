"""Make the picture of docs/summaries.md: the shares of time in four drawn videos, read by the drawn demonstration.

python docs/make_summary_figure.py [YUNET.onnx]
"""

import sys
import tempfile
from pathlib import Path

from ifdd.analysis.summarize import summarize
from ifdd.inference import Recognizer, YuNetDetector
from ifdd.model import DEMONSTRATION
from ifdd.synth import PRESETS
from ifdd.synth.videos.story import StoryConfig, write_story

IMAGES = Path(__file__).parent / "images"
STORIES = {
    "interview_1": ["neutral", "happy", "neutral", "happy"],
    "interview_2": ["neutral", "sad", "angry", "sad"],
    "interview_3": ["surprise", "happy", "neutral"],
    "interview_4": ["fear", "disgust", "neutral", "surprise", "neutral"],
}


def main() -> None:
    """Make the picture."""
    recognizer = Recognizer.from_checkpoint(DEMONSTRATION, YuNetDetector(Path(sys.argv[1])) if sys.argv[1:] else None)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for seed, (video, labels) in enumerate(STORIES.items(), start=4):
            write_story(folder, labels, PRESETS["easy"], seed, StoryConfig(seconds=4.0))
            recognition = recognizer.recognize((folder / "story.mp4").rename(folder / f"{video}.mp4"))
            recognition.write(folder / "timelines" / f"{video}.json")
        summarize(folder / "timelines", folder / "people.csv", plot=IMAGES / "summary.png")


if __name__ == "__main__":
    main()
