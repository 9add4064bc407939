"""Agreement of ifdd with the truth of drawn crowds, exported as ELAN and read back: results/agreement.json.

The truth of each video becomes an .eaf file with a tier for each person, as a coder would make it, in which a person is
labelled while at least half of the face is free. Tracks are paired with people by their boxes (IDF1). Then ``ifdd
agree`` compares, with the checkpoint in the box.

    python benchmarks/agreement.py --detector-model yunet_n_640_640.onnx
"""

import argparse
import shlex
import sys
import tempfile
from pathlib import Path

from pympi import Eaf

from ifdd.analysis.agreement.agreement import AgreementOptions, Coded, Person, compare_people, measure_agreement
from ifdd.annotations.reading import read_annotations
from ifdd.faces.detection import YuNetDetector
from ifdd.inference import Recognizer
from ifdd.model import DEMONSTRATION
from ifdd.records import AgreementPair
from ifdd.synth.videos.crowd import CrowdConfig
from ifdd.synth.videos.story import StoryConfig

sys.path.insert(0, str(Path(__file__).parents[1]))
from benchmarks.scoring import score_identities
from benchmarks.timeline import Crowd, boxes_of, write_crowd


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--checkpoint", default=DEMONSTRATION, help="a model of the seven basic emotions")
    parser.add_argument("--detector-model", type=Path, required=True, help="YuNet's .onnx file")
    parser.add_argument("--videos", type=int, default=3, help="videos of 18 s with nine people each")
    parser.add_argument("--out", type=Path, default=Path("results/agreement.json"))
    options = parser.parse_args()
    recognizer = Recognizer.from_checkpoint(options.checkpoint, YuNetDetector(options.detector_model))
    config = CrowdConfig(person=StoryConfig(seconds=3.0, width=320, height=360))
    people: list[Person] = []
    pairs: list[AgreementPair] = []
    with tempfile.TemporaryDirectory() as name:
        for number in range(options.videos):
            crowd = write_crowd(Path(name), number, config)
            found, pair = agree_with_truth(crowd, recognizer)
            people += found
            pairs.append(pair)
    command = f"python benchmarks/agreement.py --detector-model {options.detector_model.name}"
    for name in ("checkpoint", "videos"):
        if (given := getattr(options, name)) != parser.get_default(name):
            command += f" --{name} {shlex.quote(str(given))}"
    record = measure_agreement(people, pairs, recognizer.reader.classes, AgreementOptions().bin_seconds, command)
    record.write(options.out)
    print(f"kappa {record.kappa}, onsets {record.onsets}, written to {options.out}")


def agree_with_truth(crowd: Crowd, recognizer: Recognizer) -> tuple[list[Person], AgreementPair]:
    """Return the people of a video as the truth and ifdd see them."""
    recognition = recognizer.recognize(crowd.path)
    coding = crowd.path.with_suffix(".eaf")
    write_truth(crowd, coding)
    found = boxes_of(len(crowd.boxes), [(track.id, track.boxes) for track in recognition.tracks])
    identities = score_identities(crowd.boxes, found, hidden=crowd.hidden).pairs
    tracks: dict[int, list[int]] = {}
    for track, person in identities.items():
        tracks.setdefault(person, []).append(track)
    chosen = {f"person {person}": "+".join(map(str, own)) for person, own in sorted(tracks.items())}
    coded = Coded(Path(crowd.path.name), recognition, read_annotations(coding))
    people, pair = compare_people(coded, AgreementOptions(people=chosen))
    return people, AgreementPair(crowd.path.name, "", coding.name, pair.people, pair.notes)


def write_truth(crowd: Crowd, path: Path) -> None:
    """Write the truth of a video for ELAN."""
    file = Eaf(author="SynthDFER")
    file.remove_tier("default")
    for person in sorted({stretch.person for stretch in crowd.stretches}, key=str):
        file.add_tier(f"person {person}")
        for stretch in crowd.stretches:
            if stretch.person == person:
                start, end = round(1000 * stretch.start_seconds), round(1000 * stretch.end_seconds)
                file.add_annotation(f"person {person}", start, end, stretch.label)
    file.to_file(str(path))


if __name__ == "__main__":
    main()
