"""The auxiliary head for action units in training: targets, mixing, errors, a tiny run."""

import csv
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
import yaml

from ifdd import IFDDConfig, load_checkpoint
from ifdd.__main__ import main
from ifdd.data.action_units import action_unit_targets
from ifdd.data.manifest import Manifest, read_manifest, write_manifest
from ifdd.data.transforms import mix_with_neighbours
from ifdd.errors import InputError
from ifdd.training.action_units import ActionUnitErrors
from ifdd.training.clips import ClipDataModule, FilledUp
from ifdd.training.config import DataConfig
from tests.training.test_train import RECIPE

MODEL = IFDDConfig(backbone="s3d_tiny", size=32, action_units=(12, 4))


def test_batches_have_the_intensities_of_the_manifest(manifest: Path) -> None:
    module = ClipDataModule(DataConfig(manifest, batch_size=4, workers=0), Manifest.read(manifest), MODEL, seed=0)
    clips = module._batches_of
    for index in (0, 3):
        sample = module.train.samples[index]
        expected = [float(sample.attributes["au12"]), float(sample.attributes["au04"])]
        assert clips[index][2].tolist() == pytest.approx(expected)
        assert clips[index][1] == module.train.targets[index]


def test_clips_that_fill_up_the_processes_have_unknown_intensities(manifest: Path) -> None:
    module = ClipDataModule(DataConfig(manifest), Manifest.read(manifest), MODEL, seed=0)
    assert module._intensities is not None
    filled = module._with_intensities(FilledUp(module.validation, len(module.validation) + 1))
    assert filled[len(module.validation)][2].isnan().all()
    assert not filled[0][2].isnan().any()


def test_empty_cells_are_unknown_and_wrong_ones_refused(manifest: Path) -> None:
    samples = read_manifest(manifest)[:2]
    empty = [replace(samples[0], attributes={**samples[0].attributes, "au12": ""}), samples[1]]
    targets = action_unit_targets(empty, (12, 4), manifest)
    assert np.isnan(targets).tolist() == [[True, False], [False, False]]
    for text in ("strong", "1.5", "-0.1", "nan"):
        wrong = replace(samples[0], attributes={"au12": text})
        with pytest.raises(InputError, match=rf"clip '000000': au12 is '{text}'; it must be a number from 0 to 1"):
            action_unit_targets([wrong], (12,), manifest)


def test_a_manifest_without_the_columns_is_refused(
    manifest: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    path, recipe = tmp_path / "manifest.csv", tmp_path / "recipe.yaml"
    kept = ("age", "au12")
    write_manifest(
        path,
        [replace(s, attributes={name: s.attributes[name] for name in kept}) for s in read_manifest(manifest)],
    )
    model = {"preset": "ifdd_tiny", "overrides": {"size": 32, "action_units": [12, 4, 1]}}
    recipe.write_text(yaml.safe_dump(RECIPE | {"model": model, "data": RECIPE["data"] | {"manifest": str(path)}}))  # type: ignore[operator]
    with pytest.raises(SystemExit) as stop:
        main(["train", str(recipe), "--out", str(tmp_path / "run")])
    assert stop.value.code == 2
    (line,) = capfd.readouterr().err.strip().splitlines()
    assert "has no intensities of action units in the columns au04, au01; 'ifdd synth' writes them" in line


def test_intensities_are_mixed_like_labels_and_unknown_ones_stay_unknown() -> None:
    intensities = torch.tensor([[1.0, 0.5], [0.0, torch.nan], [0.2, 0.5]])
    mixed = mix_with_neighbours(intensities, 0.75)
    expected = torch.tensor([[0.8, 0.5], [0.25, torch.nan], [0.15, torch.nan]])
    torch.testing.assert_close(mixed, expected, equal_nan=True)
    assert mix_with_neighbours(intensities, 1.0) is intensities


def test_errors_against_numpy() -> None:
    rng = np.random.default_rng(0)
    target = rng.uniform(0, 1, (40, 3)).astype(np.float32)
    predicted = (0.5 * target + rng.uniform(0, 0.5, (40, 3))).astype(np.float32)
    target[rng.random((40, 3)) < 0.3] = np.nan
    target[:, 2] = 0.0  # constant, so without a correlation
    errors = ActionUnitErrors(3)
    for part in (slice(0, 7), slice(7, 40)):
        errors.update(torch.from_numpy(predicted[part]), torch.from_numpy(target[part]))
    error, correlation = errors.compute()
    assert float(error) == pytest.approx(np.nanmean(np.abs(predicted - target), axis=0).mean(), abs=1e-5)
    known = ~np.isnan(target)
    each = [np.corrcoef(predicted[known[:, unit], unit], target[known[:, unit], unit])[0, 1] for unit in (0, 1)]
    assert float(correlation) == pytest.approx(np.mean(each), abs=1e-4)


def test_a_tiny_run_lowers_the_error(manifest: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    recipe, out = tmp_path / "recipe.yaml", tmp_path / "run"
    changed = {
        "model": {"preset": "ifdd_tiny", "overrides": {"size": 32, "action_units": [4, 12, 25]}},
        "data": RECIPE["data"] | {"manifest": str(manifest), "batch_size": 4},  # type: ignore[operator]
        "mixup": {"mixup_alpha": 0.0, "cutmix_alpha": 0.0},
        "optimization": {"epochs": 6, "learning_rate": 0.02, "warmup_epochs": 0.5},
    }
    recipe.write_text(yaml.safe_dump(RECIPE | changed))
    main(["train", str(recipe), "--out", str(out)])
    with next(out.glob("csv/*/metrics.csv")).open() as file:
        rows = list(csv.DictReader(file))
    losses, errors = (
        [float(row[name]) for row in rows if row[name]]
        for name in ("train/action_units", "validation/action_unit_error")
    )
    assert (len(losses), len(errors)) == (6, 6)
    assert losses[-1] < 0.9 * losses[0]
    assert errors[-1] < 0.9 * errors[0]
    assert "AU error" in capfd.readouterr().err
    assert load_checkpoint(out / "last.safetensors").model.config.action_units == (4, 12, 25)
