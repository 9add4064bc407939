"""What keeps a checkpoint from reading real faces better: what it sees, or what it concludes from it.

The last step of the checkpoint is fitted to the photographs themselves, in ten folds, so that each photograph is read
by a fit that has not seen it. First, only how often the classes are expected (as ``ifdd convert --class-weights``
does); then, a logistic regression replaces the step, once on the checkpoint's class probabilities, once on the features
that its classifier receives. What the regression gains over the checkpoint is lost in the conclusions, that is in how
the classes of the training clips differ from those of the photographs; what it still misses is not in the features, or
the labels are wrong. This is a diagnosis: nothing that is fitted here goes into a checkpoint. Where several photographs
show one person, the folds are not independent, and the gain looks larger than it is.

    python benchmarks/face_limits.py FOLDER --checkpoint ifdd_face --detector-model yunet_n_640_640.onnx
"""

import argparse
import json
import shlex
import sys
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float
from scipy.optimize import minimize
from scipy.special import log_softmax, softmax
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import StratifiedKFold, cross_val_predict
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from ifdd.errors import InputError
from ifdd.evaluation.protocol import commit
from ifdd.faces.detection import choose_detector

sys.path.insert(0, str(Path(__file__).parents[1]))
from benchmarks.real_faces import (
    Item,
    Photograph,
    Reader,
    check_classes,
    describe,
    find_items,
    folder_hash,
    is_image,
    open_photograph,
)
from benchmarks.real_faces_scores import score, score_among

FOLDS = 10
STRENGTH = 0.01
"""Inverse of the regression's L2 penalty (``C``), not chosen by the scores."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, metavar="FOLDER", help="folder of class folders with photographs")
    parser.add_argument("--checkpoint", default="ifdd_face")
    parser.add_argument("--detector-model", type=Path, help="YuNet's .onnx file; by default it is downloaded once")
    parser.add_argument("--out", type=Path, default=Path("results/face_limits.json"))
    options = parser.parse_args()
    try:
        run(options)
    except InputError as error:
        parser.exit(2, f"face_limits: {error}\n")


def run(options: argparse.Namespace) -> None:
    """Score and write everything.

    Raises:
        InputError: the folder, a file in it or the checkpoint is wrong.
    """
    torch.set_num_threads(1)
    items = [item for item in find_items(options.folder, None) if is_image(item.path)]
    classes = tuple(dict.fromkeys(item.label for item in items))
    check_counts(items, options.folder)
    detector = choose_detector(options.detector_model, print)()
    reader = Reader(options.checkpoint, detector, flip=True)
    check_classes(reader, classes)
    photographs = [open_photograph(item.path, detector) for item in items]
    labels = [item.label for item in items]
    targets = np.array([classes.index(label) for label in labels])
    probabilities = reader.read_photographs(photographs)
    columns = [reader.classes.index(name) for name in classes]
    inputs = {"probabilities": np.log(probabilities + 1e-6), "features": read_features(reader, photographs)}
    scores = {"checkpoint": score(probabilities, labels, reader.classes, classes)["restricted"]}
    scores["class_weights"] = score_among(read_by_class_weights(probabilities, targets, columns), labels, classes)
    for name, values in inputs.items():
        scores[name] = score_among(read_by_regression(values, targets), labels, classes)
    report = {
        "command": command(options, reader.name),
        "folder": {"sha256": folder_hash(options.folder, items), "photographs": len(items)},
        "commit": commit(),
        **describe(reader),
        "folds": FOLDS,
        "scores": scores,
    }
    options.out.parent.mkdir(parents=True, exist_ok=True)
    options.out.write_text(json.dumps(report, indent=1) + "\n", encoding="utf-8")
    for name, found in scores.items():
        print(f"{name:14}{found['accuracy']['value']:7.1%}, the surest half {found['surest_half']['value']:.1%}")


def check_counts(items: Sequence[Item], folder: Path) -> None:
    """Check that there are photographs of every class in every fold.

    Raises:
        InputError: there are fewer than two classes, or too few photographs of one.
    """
    counts = Counter(item.label for item in items)
    if len(counts) < 2:
        raise InputError(f"{folder} has photographs of fewer than two classes; add some, videos are not read")
    few = [f"{label} ({count})" for label, count in counts.items() if count < FOLDS]
    if few:
        raise InputError(
            f"{folder} has fewer than {FOLDS} photographs of {', '.join(few)}: one for each fold; add some, videos are "
            "not read"
        )


@torch.inference_mode()
def read_features(reader: Reader, photographs: list[Photograph]) -> Float[np.ndarray, "photographs features"]:
    """Return what the checkpoint's classifier receives, averaged over each photograph and its mirror image."""
    model, frames = reader.checkpoint.model.eval(), reader.recognizer.reader.frames
    device = reader.recognizer.reader.device  # the recognizer has moved the model there
    rows = []
    for crop in map(reader.crop, photographs):
        picture = torch.from_numpy(crop.copy()).permute(2, 0, 1)[None, :, None].float() / 255
        clip = picture.expand(-1, -1, frames, -1, -1).to(device)
        rows.append((model(clip).emotion[0] + model(clip.flip(-1)).emotion[0]) / 2)
    return torch.stack(rows).double().cpu().numpy()


def read_by_class_weights(
    probabilities: Float[np.ndarray, "photographs known"], targets: np.ndarray, columns: Sequence[int]
) -> Float[np.ndarray, "photographs classes"]:
    """Return the checkpoint's probabilities times weights of the classes, fitted to the photographs of other folds.

    Args:
        probabilities: of all classes of the checkpoint.
        targets: indexes among the classes of the photographs.
        columns: indexes of these classes among those of the checkpoint.
    """
    logarithms = np.log(probabilities[:, columns] + 1e-6)
    found = np.empty_like(logarithms)
    for others, these in StratifiedKFold(FOLDS, shuffle=True, random_state=0).split(logarithms, targets):

        def loss(shift: Float[np.ndarray, " classes"], rows: np.ndarray = others) -> float:
            return -float(log_softmax(logarithms[rows] + shift, axis=1)[np.arange(len(rows)), targets[rows]].sum())

        shift = minimize(loss, np.zeros(len(columns))).x
        found[these] = softmax(logarithms[these] + shift, axis=1)
    return found


def read_by_regression(
    values: Float[np.ndarray, "photographs values"], targets: np.ndarray
) -> Float[np.ndarray, "photographs classes"]:
    """Return the probabilities by a logistic regression, of each photograph by one that was fitted to other folds."""
    regression = make_pipeline(StandardScaler(), LogisticRegression(C=STRENGTH, max_iter=1000))
    folds = StratifiedKFold(FOLDS, shuffle=True, random_state=0)
    return np.asarray(cross_val_predict(regression, values, targets, cv=folds, method="predict_proba"))


def command(options: argparse.Namespace, checkpoint: str) -> str:
    """Return the command, with names in place of the paths of this machine."""
    words = ["python", "benchmarks/face_limits.py", options.folder.resolve().name, "--checkpoint", checkpoint]
    words += ["--detector-model", options.detector_model.name] if options.detector_model else []
    return shlex.join(words)


if __name__ == "__main__":
    main()
