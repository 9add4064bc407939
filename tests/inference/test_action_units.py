"""Intensities of action units over time, in recognition and its results."""

import csv
import io
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from ifdd.inference import Recognition, Recognizer, WindowOptions
from ifdd.inference.reader import ClipReader
from ifdd.model import IFDD, Checkpoint, load_checkpoint
from tests.helpers.faces import DiscDetector, disc_frames
from tests.helpers.videos import write_frame_folder


@pytest.fixture
def with_units(checkpoint: Path) -> Checkpoint:
    """A model whose head depends on the clip, around a quarter for AU 4 and three quarters for AU 12."""
    plain = load_checkpoint(checkpoint)
    model = IFDD(replace(plain.model.config, action_units=(4, 12))).eval()
    model.load_state_dict(plain.model.state_dict(), strict=False)
    assert model.action_units is not None
    with torch.no_grad():
        model.action_units.linear.bias.copy_(torch.tensor([0.25, 0.75]).logit())
    return plain._replace(model=model)


def clips(count: int) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (count, 16, 64, 64, 3), np.uint8)


def test_the_reader_gives_the_sigmoid_of_the_head(with_units: Checkpoint) -> None:
    given = clips(3)
    reader = ClipReader(with_units, "cpu", batch_size=2)
    readings = reader.predict(list(given))
    with torch.inference_mode():
        output = with_units.model(torch.from_numpy(given).permute(0, 4, 1, 2, 3).float() / 255)
    assert output.action_unit_logits is not None
    expected = 1 / (1 + np.exp(-output.action_unit_logits.numpy()))
    np.testing.assert_allclose(readings.action_units.numpy(), expected, atol=1e-5)
    assert torch.equal(readings.probabilities, reader.read(list(given)))
    flipped = ClipReader(with_units, "cpu", flip=True).predict(list(given)).action_units
    mirrored = reader.predict(list(given[:, :, :, ::-1])).action_units
    torch.testing.assert_close(flipped, (readings.action_units + mirrored) / 2)
    assert reader.predict([]).action_units.shape == (0, 2)


def test_results_have_the_intensities_over_time(with_units: Checkpoint, tmp_path: Path) -> None:
    places = dict.fromkeys(range(50), (40.0, 48.0))
    folder = write_frame_folder(tmp_path / "frames", disc_frames(50, places))
    recognizer = Recognizer(with_units, DiscDetector(), windows=WindowOptions(stride_seconds=0.5))
    recognition = recognizer.recognize(folder)
    windows = recognition.tracks[0].windows
    assert windows.action_units is not None
    assert windows.action_units.shape == (len(windows), 2)
    np.testing.assert_allclose(windows.action_units, [[0.25, 0.75]] * len(windows), atol=0.15)
    document = json.loads(recognition.to_json())
    assert document["model"]["action_units"] == [4, 12]
    assert document["tracks"][0]["windows"][0]["action_units"] == pytest.approx(windows.action_units[0], abs=2e-6)
    recognition.write(tmp_path / "a.json")
    loaded = Recognition.load(tmp_path / "a.json")
    assert loaded.model.action_units == (4, 12)
    read = loaded.tracks[0].windows.action_units
    assert read is not None
    np.testing.assert_allclose(read, windows.action_units, atol=2e-6)
    rows = list(csv.DictReader(io.StringIO(loaded.to_csv())))
    assert list(rows[0])[-4:] == ["AU04", "AU12", "quality", "notice"]
    expected = [entry.action_units[1] for entry in recognition.timeline]
    np.testing.assert_allclose([float(row["AU12"]) for row in rows], expected, atol=2e-6)


def test_without_a_head_nothing_is_said_of_action_units(checkpoint: Path, tmp_path: Path) -> None:
    folder = write_frame_folder(tmp_path / "frames", disc_frames(30, dict.fromkeys(range(30), (40.0, 48.0))))
    recognition = Recognizer(load_checkpoint(checkpoint), DiscDetector()).recognize(folder)
    assert recognition.tracks[0].windows.action_units is None
    assert "action_units" not in recognition.to_json()
    assert "AU" not in recognition.to_csv().splitlines()[0]
