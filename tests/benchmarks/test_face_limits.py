"""The diagnosis of what limits a checkpoint: the regression that replaces the classifier, and what it is fitted to."""

from pathlib import Path

import numpy as np
import pytest
import torch

from benchmarks.face_limits import check_counts, read_by_class_weights, read_by_regression, read_features
from benchmarks.real_faces import Item, Photograph, Reader
from ifdd.errors import InputError
from ifdd.faces.detection import HaarDetector
from ifdd.model import DEMONSTRATION


def test_the_regression_reads_what_it_has_not_seen() -> None:
    random = np.random.default_rng(0)
    targets = np.repeat(np.arange(4), 50)
    told = np.eye(4)[targets] + 0.1 * random.normal(size=(200, 4))
    assert np.mean(read_by_regression(told, targets).argmax(1) == targets) > 0.99
    untold = random.normal(size=(200, 40))
    assert np.mean(read_by_regression(untold, targets).argmax(1) == targets) < 0.4


def test_weights_of_classes_undo_a_wrong_expectation() -> None:
    random = np.random.default_rng(0)
    targets = np.repeat(np.arange(3), 100)
    evidence = 2 * np.eye(5)[targets + 1] + random.normal(size=(300, 5))
    expected = np.log([1, 1, 30, 1, 1])  # far too much of class 2, the second of those of the photographs
    probabilities = np.exp(evidence + expected)
    found = read_by_class_weights(probabilities, targets, [1, 2, 3])
    np.testing.assert_allclose(found.sum(1), 1)
    before = np.mean(probabilities[:, 1:4].argmax(1) == targets)
    assert np.mean(found.argmax(1) == targets) > before + 0.2
    shares = np.bincount(found.argmax(1)) / 300
    assert shares == pytest.approx([1 / 3] * 3, abs=0.06)


def test_every_fold_needs_a_photograph_of_every_class() -> None:
    items = [Item(Path("a.jpg"), label) for label in ("happy", "sad") for _ in range(10)]
    check_counts(items, Path("faces"))
    with pytest.raises(
        InputError, match=r"faces has fewer than 10 photographs of happy \(9\), fear \(1\): one for each"
    ):
        check_counts([*items[1:], Item(Path("a.jpg"), "fear")], Path("faces"))
    with pytest.raises(InputError, match="fewer than two classes"):
        check_counts(items[:10], Path("faces"))


def test_features_are_what_the_classifier_receives() -> None:
    reader = Reader(DEMONSTRATION, HaarDetector(), flip=False)
    image = np.random.default_rng(1).integers(0, 255, (90, 90, 3), np.uint8)
    photographs = [Photograph(np.concatenate([image, image[:, ::-1]], axis=1), None, "not at all")]
    features = torch.from_numpy(read_features(reader, photographs)).float()
    model = reader.checkpoint.model
    logits = model.head(features) / reader.checkpoint.temperature
    expected = reader.read_photographs(photographs)
    np.testing.assert_allclose(logits.softmax(1).detach().numpy(), expected, atol=1e-4)
