"""Folders of results, as the commands write them, for reports to read."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from ifdd.evaluation.metrics import scores_from_confusion
from ifdd.evaluation.report import Evaluation, write_evaluation
from ifdd.records import BestEpoch, Protocol, SubsetScores, TrainingClips, TrainingRecord
from tests.helpers.records import PROTOCOL


def evaluation_of(
    predictions: Sequence[tuple[str, int, int, float]], classes: Sequence[str] = ("happy", "sad")
) -> Evaluation:
    """Return the evaluation of clips: (clip, target, prediction, confidence); other classes share the rest."""
    ids, targets, chosen, confidences = zip(*predictions, strict=True)
    probabilities = np.repeat([[(1 - each) / (len(classes) - 1)] for each in confidences], len(classes), axis=1)
    probabilities[np.arange(len(ids)), chosen] = confidences
    confusion = np.zeros((len(classes),) * 2, np.int64)
    np.add.at(confusion, (targets, chosen), 1)
    return Evaluation(
        scores=scores_from_confusion(confusion, classes),
        clip_ids=ids,
        targets=np.array(targets, np.int64),
        probabilities=probabilities.astype(np.float32),
        views=np.ones(len(ids), np.int64),
    )


def write_test(
    folder: Path,
    predictions: Sequence[tuple[str, int, int, float]],
    classes: Sequence[str] = ("happy", "sad"),
    protocol: Protocol = PROTOCOL,
) -> Path:
    """Write what ``ifdd evaluate --out`` writes; return the folder."""
    described = replace(protocol, classes=tuple(classes), clips=len(predictions))
    write_evaluation(folder, evaluation_of(predictions, classes), described)
    return folder


def write_training(folder: Path, classes: Sequence[str] = ("happy", "sad"), state: str = "done") -> Path:
    """Write what ``ifdd train`` writes, with a log of two epochs, the second of them resumed; return the folder."""
    best = BestEpoch(
        epoch=2, validation=SubsetScores(0.75, 0.5), selection="best WAR on validation clips", chosen_on="validation"
    )
    done = state == "done"
    TrainingRecord(
        "done" if done else "running",
        2 if done else 0,
        2,
        best if done else None,
        PROTOCOL.dataset,
        TrainingClips(train=8, validation=4, unused=0, draws=dict.fromkeys(classes, 4)),
    ).write(folder / TrainingRecord.FILE)
    header = "epoch,step,train/classification,train/total,validation/uar,validation/war\n"
    for version, rows in {
        0: "0,1,,,0.4,0.5\n0,1,2.5,3.5,,\n1,2,,,0.1,0.1\n",
        10: "1,2,,,0.5,0.75\n1,2,1.5,nan,,\n",
    }.items():
        log = folder / "csv" / f"version_{version}" / "metrics.csv"
        log.parent.mkdir(parents=True)
        log.write_text(header + rows)
    return folder
