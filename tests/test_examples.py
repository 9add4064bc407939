"""The examples in docstrings run and print the output that they show."""

import ast
import doctest
from collections.abc import Iterator
from pathlib import Path

import pytest

import ifdd.data.labels
import ifdd.data.manifest
import ifdd.data.sampling
import ifdd.errors
import ifdd.evaluation.bootstrap
import ifdd.evaluation.calibration.confidence
import ifdd.evaluation.calibration.reliability
import ifdd.evaluation.metrics
import ifdd.faces.appearance
import ifdd.inference.recognizer
import ifdd.inference.segments
import ifdd.model
import ifdd.records
import ifdd.synth
import ifdd.training.balance
import ifdd.video
from docs.imports import modules

SOURCE = Path(__file__).parents[1] / "src"


def docstrings() -> Iterator[tuple[str, Path, int, str]]:
    """Yield name, file, line and text of every docstring of a public module, class or function."""
    for module, file in modules(SOURCE).items():
        tree = ast.parse(file.read_text(encoding="utf-8"))
        yield from _docstrings(module, file, tree)


def _docstrings(
    name: str, file: Path, node: ast.Module | ast.ClassDef | ast.FunctionDef
) -> Iterator[tuple[str, Path, int, str]]:
    text = ast.get_docstring(node)
    if text:
        yield name, file, node.body[0].lineno, text
    for inner in node.body:
        if isinstance(inner, ast.ClassDef | ast.FunctionDef) and not inner.name.startswith("_"):
            yield from _docstrings(f"{name}.{inner.name}", file, inner)


EXAMPLES = {name: (file, line, text) for name, file, line, text in docstrings() if ">>>" in text}


@pytest.mark.parametrize("name", EXAMPLES)
def test_an_example_runs(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    file, line, text = EXAMPLES[name]
    example = doctest.DocTestParser().get_doctest(text, {}, name, str(file), line)
    report: list[str] = []
    runner = doctest.DocTestRunner(optionflags=doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE)
    assert runner.run(example, out=report.append).failed == 0, "".join(report)


@pytest.mark.parametrize(
    "shown",
    [
        ifdd.model.IFDD,
        ifdd.model.IFDDConfig,
        ifdd.model.create_model,
        ifdd.model.load_checkpoint,
        ifdd.model.save_checkpoint,
        ifdd.model.classification_loss,
        ifdd.model.lifting_loss,
        ifdd.data.labels.canonical_label,
        ifdd.data.labels.class_indices,
        ifdd.data.labels.soft_label,
        *(getattr(ifdd.data.sampling, name) for name in ifdd.data.sampling.SAMPLERS),
        ifdd.data.manifest.Manifest,
        ifdd.data.manifest.read_manifest,
        ifdd.data.manifest.write_manifest,
        ifdd.errors.check_range,
        ifdd.evaluation.bootstrap.bootstrap,
        ifdd.evaluation.calibration.confidence.risk_coverage,
        ifdd.evaluation.calibration.confidence.wilson_interval,
        ifdd.evaluation.metrics.scores_from_confusion,
        ifdd.evaluation.calibration.reliability.expected_calibration_error,
        ifdd.evaluation.calibration.reliability.reliability,
        ifdd.records.Record,
        *(getattr(ifdd.video, name) for name in ("iter_frames", "open_video", "SourceOptions", "ShotBoundaryDetector")),
        *(getattr(ifdd.faces, name) for name in ("crop_face", "overlap", "Tracker")),
        ifdd.faces.appearance.hellinger_distance,
        ifdd.inference.recognizer.recognize,
        *(getattr(ifdd.inference, name) for name in ("Recognizer", "Boxes", "Windows")),
        ifdd.inference.Recognition.load,
        ifdd.inference.Segment.confidence.fget,  # type: ignore[attr-defined]  # a property
        ifdd.inference.segments.find_segments,
        ifdd.inference.segments.frames_in_window,
        ifdd.synth.SynthDataset,
        ifdd.synth.render_clip,
        ifdd.training.balance.class_draws,
    ],
    ids=lambda shown: shown.__name__,
)
def test_the_public_api_shows_examples(shown: type) -> None:
    assert f"{shown.__module__}.{shown.__qualname__}" in EXAMPLES
