"""The diagnosis of what limits a checkpoint: the regression that replaces the classifier, and what it is fitted to."""

import numpy as np
import torch

from benchmarks.face_limits import read_by_regression, read_features
from benchmarks.real_faces import Photograph, Reader
from ifdd.faces.detection import HaarDetector
from ifdd.model import DEMONSTRATION


def test_the_regression_reads_what_it_has_not_seen() -> None:
    random = np.random.default_rng(0)
    targets = np.repeat(np.arange(4), 50)
    told = np.eye(4)[targets] + 0.1 * random.normal(size=(200, 4))
    assert np.mean(read_by_regression(told, targets).argmax(1) == targets) > 0.99
    untold = random.normal(size=(200, 40))
    assert np.mean(read_by_regression(untold, targets).argmax(1) == targets) < 0.4


def test_features_are_what_the_classifier_receives() -> None:
    reader = Reader(DEMONSTRATION, HaarDetector(), flip=False)
    image = np.random.default_rng(1).integers(0, 255, (90, 90, 3), np.uint8)
    photographs = [Photograph(np.concatenate([image, image[:, ::-1]], axis=1), None, "not at all")]
    features = torch.from_numpy(read_features(reader, photographs)).float()
    model = reader.checkpoint.model
    logits = model.head(features) / reader.checkpoint.temperature
    expected = reader.read_photographs(photographs)
    np.testing.assert_allclose(logits.softmax(1).detach().numpy(), expected, atol=1e-4)
