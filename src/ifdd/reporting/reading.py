"""Folders of ``ifdd train``, ``ifdd evaluate`` and ``ifdd crossval`` -> runs."""

import csv
import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path

from ifdd.errors import InputError
from ifdd.evaluation.predictions_file import PREDICTIONS, read_predictions
from ifdd.files import exists, expand, file_sha256
from ifdd.records import CrossvalRecord, EvaluatedCheckpoint, EvaluationRecord, TrainingRecord
from ifdd.reporting.results import Run, Series, Tested, Training

BEST = "best.safetensors"
EVALUATION = "evaluation"
"""Name of the folder of a fold's evaluation."""

MOST_CLIPS = 2**31
"""More clips than any dataset has: what a damaged file may hold."""

LARGEST = 1e15
"""Larger numbers of a log are damage, and charts cannot show them."""

FILES = (CrossvalRecord.FILE, TrainingRecord.FILE, EvaluationRecord.FILE)
"""Names of the files that make a folder one of results."""

_REMEDY = "run the command that wrote it again, or leave the folder out"


def read_runs(paths: Sequence[str]) -> list[Run]:
    """Read folders of results; the training and the test of the same checkpoint become one run.

    Raises:
        InputError: a path is repeated, has no results or damaged ones; or the runs have different classes.
    """
    folders = [_folder(path) for path in paths]
    for place, folder in enumerate(folders):
        if folder.resolve() in [other.resolve() for other in folders[:place]]:
            raise InputError(f"{paths[place]} is given twice; name each folder once")
    runs = [_read(path, folder) for path, folder in zip(paths, folders, strict=True)]
    joined = list(_join_trainings(runs, folders))
    _check_classes(joined)
    return joined


def read_series(folder: Path) -> tuple[Series, ...]:
    """Read the log of a training run, ``csv/version_*/metrics.csv``; a resumed run has several, the last one counts.

    Raises:
        InputError: the log is damaged.
    """
    found: dict[str, dict[int, float]] = {}
    for file in sorted((folder / "csv").glob("version_*/metrics.csv"), key=_version):
        for name, epoch, value in _logged(file):
            found.setdefault(name, {})[epoch] = value
    return tuple(
        Series(name, tuple(sorted(values)), tuple(value for _, value in sorted(values.items())))
        for name, values in found.items()
    )


def _folder(path: str) -> Path:
    """Return the folder of results that a path means: itself, or that of a file of results.

    Raises:
        InputError: there are no results.
    """
    folder = expand(path)
    if folder.name in FILES and folder.is_file():
        folder = folder.parent
    if not folder.exists():
        raise InputError(f"{path} does not exist; give the folder of ifdd train, evaluate --out or crossval")
    if not any((folder / name).exists() for name in FILES):
        raise InputError(
            f"{path} has no results ({', '.join(FILES)}); give the folder of ifdd train, evaluate or crossval"
        )
    return folder


def _read(path: str, folder: Path) -> Run:
    if (folder / CrossvalRecord.FILE).exists():
        return _read_crossval(path, folder)
    trainings = [_read_training(folder)] if (folder / TrainingRecord.FILE).exists() else []
    places = [place for place in (folder, folder / EVALUATION) if (place / EvaluationRecord.FILE).exists()]
    tests = [_read_test(place, folder) for place in places[:1]]
    if tests and not trainings:
        trainings += _training_of(tests[0])
    return Run(path, tuple(trainings), tuple(tests))


def _read_crossval(path: str, folder: Path) -> Run:
    file = folder / CrossvalRecord.FILE
    record = CrossvalRecord.load(file, _REMEDY)
    for scores in (record.pooled, *record.folds):
        _check_confusion(file, scores.confusion, record.protocol.classes)
    trainings, tests = [], []
    for fold in record.folds:
        place = folder / f"fold_{fold.fold or 0}"
        if (place / TrainingRecord.FILE).exists():
            trainings.append(replace(_read_training(place), fold=fold.fold))
        if (place / EVALUATION / EvaluationRecord.FILE).exists():
            tests.append(replace(_read_test(place / EVALUATION, place), fold=fold.fold))
    return Run(path, tuple(trainings), tuple(tests), record)


def _read_training(folder: Path) -> Training:
    record = TrainingRecord.load(folder / TrainingRecord.FILE, _REMEDY)
    return Training(record, read_series(folder))


def _read_test(folder: Path, training: Path) -> Tested:
    """Read an evaluation.

    Args:
        folder: its folder.
        training: folder of the training whose checkpoint it may have tested.
    """
    file = folder / EvaluationRecord.FILE
    record = EvaluationRecord.load(file, _REMEDY)
    classes = record.protocol.classes
    _check_confusion(file, record.scores.confusion, classes)
    predictions = folder / PREDICTIONS
    found = read_predictions(predictions, classes) if predictions.exists() else None
    return Tested(record, found, record.protocol.fold, _superseded(record.protocol.checkpoint, training))


def _superseded(tested: EvaluatedCheckpoint, training: Path) -> bool:
    """Return whether the best checkpoint was tested that a training has replaced since; False if its file is gone."""
    name, sha256 = tested.path, tested.sha256
    if tested.export is not None:
        name, sha256 = tested.export.checkpoint, tested.export.checkpoint_sha256
    best = training / BEST
    if Path(name).stem != best.stem or not (training / TrainingRecord.FILE).exists() or not best.is_file():
        return False
    return file_sha256(best) != sha256


def _check_confusion(file: Path, confusion: Sequence[Sequence[int]], classes: Sequence[str]) -> None:
    """Refuse a matrix that does not fit its classes or counts no clips."""
    fits = {len(confusion), *map(len, confusion)} == {len(classes)}
    cells = [cell for row in confusion for cell in row]
    if not fits or min(cells, default=-1) < 0 or not 0 < sum(cells) < MOST_CLIPS:
        raise InputError(f"{file} is damaged (its confusion matrix does not fit its classes); {_REMEDY}")


def _training_of(test: Tested) -> Iterator[Training]:
    """Yield the training run of a tested checkpoint, if it still lies where the test found it."""
    checkpoint = test.record.protocol.checkpoint
    path = expand(checkpoint.path)
    if exists(path.parent / TrainingRecord.FILE) and path.is_file() and file_sha256(path) == checkpoint.sha256:
        yield _read_training(path.parent)


def _join_trainings(runs: Sequence[Run], folders: Sequence[Path]) -> Iterator[Run]:
    """Yield the runs; a training without a test is left out if its best checkpoint is tested in another run."""
    tested = {test.record.protocol.checkpoint.sha256: run for run in runs for test in run.tests}
    trained: dict[int, Training] = {}
    left_out = set()
    for run, folder in zip(runs, folders, strict=True):
        checkpoint = folder / BEST
        if run.tests or run.crossval is not None or not checkpoint.is_file():
            continue
        owner = tested.get(file_sha256(checkpoint))
        if owner is not None:
            left_out.add(id(run))
            trained.setdefault(id(owner), run.trainings[0])
    for run in runs:
        if id(run) not in left_out:
            known = run.trainings or tuple(training for training in [trained.get(id(run))] if training is not None)
            yield replace(run, trainings=known)


def _check_classes(runs: Sequence[Run]) -> None:
    first = runs[0]
    for run in runs[1:]:
        if set(run.classes) != set(first.classes):
            raise InputError(
                f"{first.name} has the classes {', '.join(first.classes)}, and {run.name} has "
                f"{', '.join(run.classes)}; write one report for each set of classes"
            )


def _version(file: Path) -> tuple[int, str]:
    number = file.parent.name.removeprefix("version_")
    return int(number) if number.isdecimal() else -1, number


def _logged(file: Path) -> Iterable[tuple[str, int, float]]:
    """Yield (name, epoch from 1, value) of every finite value in a log."""
    try:
        with file.open(encoding="utf-8", newline="") as opened:
            for row in csv.DictReader(opened):
                epoch = int(row["epoch"]) + 1
                for name, text in row.items():
                    if name not in ("epoch", "step", None) and text and math.isfinite(value := float(text)):
                        if not (0 < epoch < LARGEST and abs(value) < LARGEST):
                            raise ValueError(f"an epoch or {name} is out of range")
                        yield name, epoch, value
    except (OSError, ValueError, KeyError, TypeError, csv.Error) as error:
        reason = f"no column {error}" if isinstance(error, KeyError) else str(error)
        raise InputError(f"{file} is damaged ({reason}); delete it to report without the training curves") from error
