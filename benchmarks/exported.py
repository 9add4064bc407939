"""Export the presets for ``benchmarks/engines.py``, and measure the accuracy that 8-bit integers cost.

    python -m benchmarks.exported prepare engines
    ifdd synth drawn --clips 1400 --seed 77 --validation 0.35 --test 0.35
    python -m benchmarks.exported accuracy ifdd_tiny_synth drawn/manifest.csv

``prepare`` writes every preset with random weights in both forms and precisions; drawn clips give the ranges of 8-bit
activations. ``accuracy`` quantises a checkpoint with training clips, compares it on test clips, and adds the result,
under the name of its file, to results/engines.json.
"""

import argparse
import tempfile
from pathlib import Path
from typing import Any

from benchmarks.engines import OUT, add, machine, network
from benchmarks.speed import earlier_report
from ifdd.data.manifest import Manifest
from ifdd.errors import InputError
from ifdd.export.artifacts import Artifact, OnnxArtifact, OpenVinoArtifact
from ifdd.export.command import Export, Quantization
from ifdd.export.parity import drawn_clips
from ifdd.export.program import output_names, trace
from ifdd.export.quantization import quantize
from ifdd.files import file_sha256
from ifdd.model import find_checkpoint, load_checkpoint
from ifdd.model.engines.forms import Form

TIMED = ("ifdd_tiny", "ifdd_small", "ifdd_s3d", "ifdd_mvit_xs")
CALIBRATION_CLIPS = 4
FILES: dict[Form, str] = {"onnx": "model.onnx", "openvino": "model.xml"}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(dest="command", required=True)
    preparing = commands.add_parser("prepare")
    preparing.add_argument("folder", type=Path)
    preparing.add_argument("presets", nargs="*", default=TIMED)
    scoring = commands.add_parser("accuracy")
    scoring.add_argument("checkpoint", type=Path)
    scoring.add_argument("manifest", type=Path)
    scoring.add_argument("--out", type=Path, default=OUT, help="file to add the result to")
    options = parser.parse_args()
    if options.command == "prepare":
        for preset in options.presets:
            prepare(options.folder, preset)
        return
    try:
        refuse_namesake(options.checkpoint, options.out)
    except InputError as error:
        parser.error(str(error))
    add(options.out, "accuracy", options.checkpoint.name, accuracy(options.checkpoint, options.manifest))


def prepare(folder: Path, preset: str) -> None:
    """Write a preset in both forms and precisions."""
    folder.mkdir(parents=True, exist_ok=True)
    model = network(preset)
    plain = OnnxArtifact.convert(trace(model), output_names(model))
    clips = iter(drawn_clips(model.config, CALIBRATION_CLIPS).clips.numpy()[:, None])
    integers = quantize(plain, clips)
    artifacts: dict[str, Artifact] = {
        "onnx.onnx": plain,
        "openvino.xml": OpenVinoArtifact.convert(plain),
        "onnx_int8.onnx": integers,
        "openvino_int8.xml": OpenVinoArtifact.convert(integers),
    }
    for name, artifact in artifacts.items():
        artifact.write(folder / f"{preset}_{name}", lambda weights: "{}")


def refuse_namesake(checkpoint: Path, out: Path) -> None:
    """Check that the result of a checkpoint replaces none of another.

    Raises:
        InputError: another checkpoint of this name is in the file, or the file is of another machine or other software.
    """
    earlier = earlier_report(out, machine()).get("accuracy", {}).get(checkpoint.name)
    if earlier is not None and earlier["sha256"] != file_sha256(find_checkpoint(checkpoint)):
        raise InputError(
            f"{out} has another checkpoint called {checkpoint.name}; rename this one, or give another --out"
        )


def accuracy(checkpoint: Path, path: Path) -> dict[str, Any]:
    """Return WAR in 32-bit floats and in 8-bit integers, of both engines."""
    manifest, loaded = Manifest.read(path), load_checkpoint(checkpoint)
    found: dict[str, Any] = {
        "preset": loaded.record.preset,
        "sha256": file_sha256(find_checkpoint(checkpoint)),
        "dataset": manifest.dataset_hash,
    }
    wanted = Quantization(manifest, "test", None, max_drop=100, clips=200, batch_size=16, workers=2, synonyms=False)
    with tempfile.TemporaryDirectory() as folder:
        for form, name in FILES.items():
            record = Export(find_checkpoint(checkpoint), loaded, form, None, wanted).write(Path(folder) / name)
            found[form] = record.plain()["quantization"] | {"largest_difference": record.parity.largest_difference}
    return found


if __name__ == "__main__":
    main()
