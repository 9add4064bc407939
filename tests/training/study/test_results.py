"""What a study reads from the test of a run."""

from pathlib import Path

import numpy as np
import pytest

from ifdd.errors import InputError
from ifdd.evaluation.folds import FoldResult
from ifdd.evaluation.metrics import scores_from_confusion
from ifdd.training.crossval.folds import Fold
from ifdd.training.study.config import Cell
from ifdd.training.study.grid import Run
from ifdd.training.study.results import read_result
from tests.helpers.records import PROTOCOL
from tests.training.test_resuming import RECIPE

LINES = ["clip_id,target,prediction,happy,sad", "a,happy,happy,0.75,0.25", "b,sad,happy,0.75,0.25"]


def test_damaged_predictions_of_a_run_are_refused(tmp_path: Path) -> None:
    run = Run(Cell("ifdd", 1.0, 0), Fold(0, RECIPE, tmp_path))
    tested = FoldResult(0, scores_from_confusion(np.array([[1, 0], [1, 0]]), PROTOCOL.classes), PROTOCOL)
    file = run.fold.evaluation / "predictions.csv"
    file.parent.mkdir()
    file.write_text("\n".join(LINES) + "\n")
    assert read_result(run, tested).right == {"a": True, "b": False}
    file.write_text("\n".join([*LINES, "c"]) + "\n")  # a write that was cut off
    with pytest.raises(InputError, match=r"predictions\.csv is damaged .*delete .* to test the run again"):
        read_result(run, tested)
